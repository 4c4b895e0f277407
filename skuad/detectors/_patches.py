"""A bounded sample of patches, streamed from any number of images."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from skuad.base._pool import within
from skuad.feature_extraction import FeatureMap, coverage, upsample_map
from skuad.neighbors._memory import require_memory
from skuad.utils._typing import FloatArray, IndexArray, MapAndScore, Pool


@dataclass
class PatchSample:
    """Patch rows of the training images, with the number of the image of each.

    Attributes
    ----------
    rows : ndarray of float32 of shape (n_rows, n_features)
    image : ndarray of int of shape (n_rows,)
        Image number of each row, ascending.
    layouts : list of PatchLayout
        Where the patches of each image lie.
    """

    rows: NDArray[np.float32]
    image: IndexArray
    layouts: list["PatchLayout"]

    @property
    def is_complete(self) -> bool:
        """Whether no patch of any image was left out."""
        return len(self.rows) == sum(layout.n_patches for layout in self.layouts)

    def of_images(self, numbers: Sequence[int] | IndexArray) -> NDArray[np.float32]:
        """Rows of these images."""
        if len(numbers) == 1:
            return self.rows[
                slice(*np.searchsorted(self.image, [numbers[0], numbers[0] + 1]))
            ]
        return self.rows[np.isin(self.image, numbers)]


class PatchLayout:
    """Where the patches of an image that count lie on its grid.

    Parameters
    ----------
    features : FeatureMap
        The image's features.
    roi : ndarray of bool of shape (H, W) or None
        Region of interest. A patch counts if at least half of it lies inside; where the
        region is smaller than that, the patch that holds most of it does.
    """

    def __init__(self, features: FeatureMap, roi: NDArray[np.bool_] | None):
        height, width = features.shape[:2]
        self.grid_shape = height, width
        self.image_shape = features.image_shape
        self.roi = roi
        self.inside: NDArray[np.bool_] | None = None
        if roi is not None:
            share = coverage(roi, self.grid_shape)
            self.inside = share >= min(0.5, share.max())

    @property
    def n_patches(self) -> int:
        """Number of patches that count."""
        if self.inside is None:
            return self.grid_shape[0] * self.grid_shape[1]
        return int(self.inside.sum())

    def limited_to(self, grid: NDArray[np.bool_]) -> "PatchLayout":
        """Let only these patches count; all that did if none is among them."""
        inside = grid if self.inside is None else grid & self.inside
        if grid.all() or not inside.any():
            return self
        limited = copy(self)
        limited.inside = inside
        return limited

    def rows(self, features: FeatureMap) -> NDArray[np.float32]:
        """Feature rows of the patches that count."""
        return features.rows if self.inside is None else features.values[self.inside]

    def map_and_score(self, row_scores: FloatArray, pool: Pool) -> MapAndScore:
        """Anomaly map and score of the image, from one value per row.

        Returns
        -------
        anomaly_map : ndarray of float32 of shape (H, W)
            Zero outside the region of interest (or the lowest value inside, if that is
            negative).
        score : float
            Pooled over the pixels inside.
        """
        if self.inside is None:
            grid = row_scores.reshape(self.grid_shape)
        else:
            grid = np.empty(self.grid_shape, np.float32)
            grid[self.inside] = row_scores
            # Patches outside take their nearest neighbour's value, so that interpolation
            # at the border of the region looks at the inside only.
            nearest = distance_transform_edt(
                ~self.inside, return_distances=False, return_indices=True
            )
            grid = grid[tuple(nearest)]
        return within(upsample_map(grid, self.image_shape), self.roi, pool)


def collect_patches(
    features: Iterator[FeatureMap],
    roi: Callable[[int], NDArray[np.bool_] | None],
    *,
    n_images: int,
    max_patches: int,
    random_state: np.random.RandomState,
) -> PatchSample:
    """Sample patches uniformly over all images, in one pass and bounded memory.

    The sample is stratified: an image gives a share of its patches that is the same, up
    to rounding, for all images. Everything is kept if there are no more than
    `max_patches`.

    Parameters
    ----------
    features : iterator of FeatureMap
        One per image.
    roi : callable
        From an image number to its region of interest, or None.
    n_images : int
        Number of images.
    max_patches : int
        Largest number of rows.
    random_state : RandomState
        Source of chance.

    Returns
    -------
    PatchSample

    Raises
    ------
    MemoryError
        If so many rows do not fit into the memory that is available, judged by the
        first image.
    """
    rows: list[NDArray[np.float32]] = []
    keys: list[NDArray[np.float64]] = []
    image: list[IndexArray] = []
    layouts: list[PatchLayout] = []
    known_layouts: dict[tuple[tuple[int, int], tuple[int, int], int], PatchLayout] = {}
    n_kept, highest_key = 0, np.inf
    for number, feature_map in enumerate(features):
        layout = PatchLayout(feature_map, roi(number))
        # One object for all alike, which may be a million tiles. The layouts keep their
        # regions, so that no two of them have the same id.
        kind = layout.grid_shape, layout.image_shape, id(layout.roi)
        layouts.append(known_layouts.setdefault(kind, layout))
        if number == 0:
            _require_memory(feature_map, layout.n_patches * n_images, max_patches)
        # The key of a patch is its random rank within the image as a share; the patches
        # with the lowest keys are then a stratified sample.
        ranks = random_state.permutation(layout.n_patches)
        key = (ranks + random_state.uniform()) / layout.n_patches
        keep = key < highest_key
        rows.append(layout.rows(feature_map)[keep])
        keys.append(key[keep])
        image.append(np.full(len(keys[-1]), number))
        n_kept += len(keys[-1])
        if n_kept > 2 * max_patches:
            rows, keys, image = _lowest(rows, keys, image, max_patches)
            n_kept, highest_key = max_patches, keys[0].max()
    if n_kept > max_patches:
        rows, keys, image = _lowest(rows, keys, image, max_patches)
    return PatchSample(np.concatenate(rows), np.concatenate(image), layouts)


def _require_memory(feature_map: FeatureMap, n_patches: int, max_patches: int) -> None:
    # Up to twice the sample is held before it is cut down, and once more meanwhile.
    n_rows = min(n_patches, 3 * max_patches)
    require_memory(
        n_rows * feature_map.rows[0].nbytes,
        purpose=f"A sample of {min(n_patches, max_patches)} patches",
        advice="Lower max_patches.",
    )


def _lowest(
    rows: list[NDArray[np.float32]],
    keys: list[NDArray[np.float64]],
    image: list[IndexArray],
    n_rows: int,
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float64]], list[IndexArray]]:
    """Keep the rows with the lowest keys, in their order."""
    all_keys = np.concatenate(keys)
    keep = np.sort(np.argpartition(all_keys, n_rows - 1)[:n_rows])
    bounds = np.cumsum([0, *(len(part) for part in rows)])
    kept = np.empty((n_rows, rows[0].shape[1]), rows[0].dtype)
    done = 0
    for start, part in zip(bounds, rows, strict=False):
        mine = keep[(keep >= start) & (keep < start + len(part))] - start
        kept[done : done + len(mine)] = part[mine]
        done += len(mine)
    return [kept], [all_keys[keep]], [np.concatenate(image)[keep]]
