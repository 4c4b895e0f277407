"""Pictures of a report: shrunk for the screen, and as small JPEG files."""

import base64
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.inspection._heat import heat_range
from skuad.inspection._overlay import displayable, overlay
from skuad.inspection._report_measures import Truth
from skuad.inspection._screen import fit_to_screen
from skuad.io._images import Images
from skuad.utils._typing import Array, MapsLike

# Sides of pictures: larger images are shrunk, smaller ones enlarged, so that outlines
# are thin beside them.
_LARGEST_SIDE, _LEAST_SIDE = 640, 384
_QUALITY = 85
# Fewer pixels show nothing.
_SMALLEST_SIDE = 48


class Picture(NamedTuple):
    """An image of a report, twice."""

    index: int  # type: ignore[assignment]  # in place of tuple.index
    """Number of the image."""
    image: bytes
    """JPEG file of the image, true defects outlined."""
    heat: bytes
    """JPEG file of the image with its map as heat."""


def take_picture(
    index: int,
    image: ArrayLike,
    anomaly_map: Array,
    mask: Array | None = None,
    *,
    threshold: float | None,
    vmin: float,
    vmax: float,
) -> Picture:
    """Draw an image and its map for the screen.

    Parameters
    ----------
    index : int
    image : ndarray of shape (H, W) or (H, W, C)
    anomaly_map : ndarray of shape (H, W)
    mask : ndarray of shape (H, W) or None, default=None
    threshold : float or None
    vmin, vmax : float
        As in `overlay`.

    Returns
    -------
    picture : Picture
    """
    image, anomaly_map, mask = fit_to_screen(
        displayable(image), anomaly_map, mask, least=_LEAST_SIDE, largest=_LARGEST_SIDE
    )
    heat = overlay(image, anomaly_map, threshold=threshold, vmin=vmin, vmax=vmax)
    if mask is not None:
        nothing = np.zeros(anomaly_map.shape, np.float32)
        image = overlay(image, nothing, mask=mask, vmin=0, vmax=1)
    return Picture(index, _to_jpeg(image), _to_jpeg(heat))


def choose_examples(
    labels: NDArray[np.int64], scores: NDArray[np.float64], n_examples: int
) -> dict[str, list[int]]:
    """Find the images that are, or nearly are, missed or falsely flagged."""
    order = np.argsort(scores, kind="stable")
    return {
        "anomalous": order[labels[order] == -1][:n_examples].tolist(),
        "good": order[::-1][labels[order[::-1]] == 1][:n_examples].tolist(),
    }


def take_pictures(
    chosen: dict[str, list[int]],
    images: Images,
    maps: MapsLike,
    truth: Truth,
    threshold: float | None,
) -> dict[str, list[Picture]]:
    """Draw examples, all with the same colours."""
    shown = {i: np.atleast_2d(maps[i]) for part in chosen.values() for i in part}
    if not shown:
        return {kind: [] for kind in chosen}
    vmin, vmax = heat_range(list(shown.values()), threshold)
    draw = partial(take_picture, threshold=threshold, vmin=vmin, vmax=vmax)
    return {
        kind: [draw(i, images[i], shown[i], truth[i]) for i in part]
        for kind, part in chosen.items()
    }


def shrink_pictures(pictures: Sequence[Picture], scale: float) -> list[Picture]:
    """Encode pictures anew, smaller by a factor, but not below what can be seen.

    Parameters
    ----------
    pictures : list of Picture
    scale : float
        In (0, 1).

    Returns
    -------
    pictures : list of Picture
    """
    return [
        Picture(p.index, _shrink(p.image, scale), _shrink(p.heat, scale))
        for p in pictures
    ]


def _shrink(jpeg: bytes, scale: float) -> bytes:
    image = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    size = [max(_SMALLEST_SIDE, round(scale * side)) for side in image.shape[1::-1]]
    size = [min(new, old) for new, old in zip(size, image.shape[1::-1], strict=True)]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _to_jpeg(image)


def size_in_html(pictures: Sequence[Picture]) -> int:
    """Count the bytes of pictures in a page."""
    return sum(4 * (len(p.image) + len(p.heat)) // 3 for p in pictures)


def data_uri(jpeg: bytes) -> str:
    """Return a picture as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _to_jpeg(image: Array) -> bytes:
    """Encode an RGB picture."""
    # Colours at full resolution, or thin outlines lose theirs.
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()
