"""Images with their anomaly maps, drawn in scikit-learn's manner."""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.base import detect
from skuad.inspection._heat import heat_range, outlined
from skuad.inspection._overlay import displayable, overlay
from skuad.io._images import as_images
from skuad.metrics._targets import image_labels, masks_from
from skuad.utils._optional import import_optional
from skuad.utils._typing import Array, ImagesLike, MapsLike, TargetsLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from typing_extensions import Self

_FOUND, _TRUTH, _RIM = "white", "#00e5ff", "#101018"


class AnomalyMapDisplay:
    """Images, and below each its anomaly map as heat, all on one scale.

    True defects are outlined in cyan in the image, pixels above the threshold in white
    in the map. Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    images : sequence of ndarray of shape (H, W) or (H, W, C)
        The images.
    maps : sequence of ndarray of shape (H, W)
        Their anomaly maps, high where anomalous.
    masks : sequence of (ndarray of shape (H, W) or None) or None, default=None
        True masks, non-zero inside defects; None for an image without.
    labels : array-like of shape (n_images,) or None, default=None
        +1 for a good image and -1 for a defective one.
    scores : array-like of shape (n_images,) or None, default=None
        Scores of the images, high where anomalous.
    threshold : float or None, default=None
        Pixels above it are outlined.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_images, 2)
        Of each image, and of its map.
    figure_ : matplotlib Figure
        The figure.
    colorbar_ : matplotlib Colorbar
        The scale of the maps, as it looks on middle gray.

    See Also
    --------
    skuad.inspection.overlay : One such picture as an array, without matplotlib.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.inspection import AnomalyMapDisplay
    >>> data = make_defect_images(n_train=10, n_good=1, n_defective=3, size=64)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> display = AnomalyMapDisplay.from_estimator(detector, data.test, data.masks)
    >>> display.axes_.shape
    (4, 2)
    """

    axes_: Array
    figure_: "Figure | SubFigure"
    colorbar_: "Colorbar"

    def __init__(
        self,
        *,
        images: Sequence[Array],
        maps: Sequence[Array],
        masks: Sequence[Array | None] | None = None,
        labels: Sequence[int] | Array | None = None,
        scores: Sequence[float] | Array | None = None,
        threshold: float | None = None,
    ) -> None:
        self.images = images
        self.maps = maps
        self.masks = masks
        self.labels = labels
        self.scores = scores
        self.threshold = threshold

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ImagesLike,
        y: TargetsLike = None,
        *,
        threshold: Literal["auto"] | float | None = "auto",
        **kwargs: Any,
    ) -> "Self":
        """Compute the maps of images, and plot them.

        Parameters
        ----------
        estimator : estimator
            A fitted detector, a pipeline that ends in one, or a search over one.
        X : images
            See `skuad.base.validate_images`; as many as shall be seen.
        y : array-like of length n_images or None, default=None
            Masks in any form that `skuad.metrics.pixel_roc_auc_score` takes, or +1
            (good) and -1 (defective).
        threshold : "auto", float or None, default="auto"
            Pixels above it are outlined. "auto" is the detector's own, if it has one
            and scores an image by the highest value of its map.
        **kwargs : dict
            For `plot`.

        Returns
        -------
        display : AnomalyMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If images, maps and y do not fit together.
        """
        found = list(detect(estimator, X))
        if isinstance(threshold, str):
            if threshold != "auto":
                raise ValueError(f"threshold is {threshold!r}; see the documentation")
            threshold = outlined(estimator)
        return cls.from_predictions(
            X,
            [anomaly_map for anomaly_map, _ in found],
            y,
            scores=[score for _, score in found],
            threshold=threshold,
            **kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        X: ImagesLike,
        maps: MapsLike,
        y_true: TargetsLike = None,
        *,
        scores: Sequence[float] | Array | None = None,
        threshold: float | None = None,
        **kwargs: Any,
    ) -> "Self":
        """Plot anomaly maps that are there already.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        maps : array of shape (n, H, W) or (n, w), or list of arrays of shape (H, W)
            Their anomaly maps, high where anomalous.
        y_true : array-like of length n or None, default=None
            As `y` in `from_estimator`.
        scores : array-like of shape (n,) or None, default=None
            Scores of the images, high where anomalous.
        threshold : float or None, default=None
            Pixels above it are outlined.
        **kwargs : dict
            For `plot`.

        Returns
        -------
        display : AnomalyMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If images, maps, scores and y_true do not fit together.
        """
        images = list(as_images(X))
        maps = [np.atleast_2d(np.asarray(anomaly_map)) for anomaly_map in maps]
        masks, labels = _truth(y_true)
        for what, values in [
            ("maps", maps),
            ("entries of y", labels),
            ("scores", scores),
        ]:
            if values is not None and len(values) != len(images):
                raise ValueError(f"{len(values)} {what} for {len(images)} images")
        display = cls(
            images=images,
            maps=maps,
            masks=masks,
            labels=labels,
            scores=scores,
            threshold=threshold,
        )
        return display.plot(**kwargs)

    def plot(
        self,
        *,
        n_columns: int = 5,
        vmin: float | None = None,
        vmax: float | None = None,
        size: float = 2.2,
        axes: ArrayLike | None = None,
    ) -> "Self":
        """Draw the images and their maps.

        Parameters
        ----------
        n_columns : int, default=5
            Number of images side by side.
        vmin, vmax : float or None, default=None
            The values of no and of full heat, the same for all images. By default
            `vmin` is the median of the maps' medians, and `vmax` lies half as far
            above the threshold as `vmin` lies below it; without a threshold it is the
            highest value of all maps.
        size : float, default=2.2
            Width of an image in inches.
        axes : array-like of shape (n_images, 2) or None, default=None
            The matplotlib Axes of each image and of its map; None makes a figure.

        Returns
        -------
        self : AnomalyMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `axes` has another shape.
        """
        import_optional(
            "matplotlib.pyplot", extra="plot", needed_by="AnomalyMapDisplay"
        )
        n_images = len(self.images)
        if axes is None:
            axes = _make_axes(self.images, n_columns, size)
        self.axes_ = np.asarray(axes)
        if self.axes_.shape != (n_images, 2):
            raise ValueError(
                f"axes has shape {self.axes_.shape}; {n_images} images take "
                f"({n_images}, 2)"
            )
        self.figure_ = self.axes_[0, 0].figure
        vmin, vmax = heat_range(self.maps, self.threshold, vmin, vmax)
        for number in range(n_images):
            self._draw(number, vmin, vmax)
        self.colorbar_ = _color_bar(self.axes_, vmin, vmax, self.threshold)
        return self

    def _draw(self, number: int, vmin: float, vmax: float) -> None:
        image, anomaly_map = self.images[number], self.maps[number]
        plain, heat = self.axes_[number]
        # Line scans are one pixel high.
        aspect = "auto" if anomaly_map.shape[0] == 1 else "equal"
        plain.imshow(displayable(image), aspect=aspect)
        heat.imshow(overlay(image, anomaly_map, vmin=vmin, vmax=vmax), aspect=aspect)
        mask = None if self.masks is None else self.masks[number]
        if mask is not None:
            _outline(plain, mask, _TRUTH)
        if self.threshold is not None:
            _outline(heat, anomaly_map > np.float64(self.threshold), _FOUND)
        if self.labels is not None:
            plain.set_title("good" if self.labels[number] == 1 else "defective")
        if self.scores is not None:
            heat.set_title(f"score {self.scores[number]:.3g}")
        for ax in (plain, heat):
            ax.set(xticks=[], yticks=[])
            ax.title.set_fontsize("small")


def _truth(
    y_true: TargetsLike,
) -> tuple[list[Array | None] | None, NDArray[np.int64] | None]:
    """Return masks (or None) and labels (or None) of y in any form."""
    if y_true is None:
        return None, None
    labels = image_labels(y_true)
    try:
        masks = masks_from(y_true)
    except ValueError:  # y holds labels
        return None, labels
    entries = [masks[number] for number in range(len(masks))]
    return [mask if isinstance(mask, np.ndarray) else None for mask in entries], labels


def _make_axes(images: Sequence[Array], n_columns: int, size: float) -> Array:
    """Return axes (n_images, 2) in rows of images over their maps."""
    from matplotlib import pyplot

    n_columns = min(n_columns, len(images))
    n_rows = ceil(len(images) / n_columns)
    height, width = images[0].shape[:2]
    side = size * min(max(height / width, 0.2), 4) + 0.3
    _, grid = pyplot.subplots(
        2 * n_rows,
        n_columns,
        figsize=(size * n_columns + 0.8, 2 * n_rows * side),
        squeeze=False,
        layout="constrained",
    )
    pairs = np.stack([grid[0::2].ravel(), grid[1::2].ravel()], axis=1)
    for ax in pairs[len(images) :].ravel():
        ax.set_axis_off()
    return pairs[: len(images)]


def _outline(ax: "Axes", mask: Array, color: str) -> None:
    """Draw the border of a mask; there is none if all or no pixels are in it."""
    from matplotlib.patheffects import withStroke

    mask = np.asarray(mask) != 0
    if min(mask.shape) < 2 or mask.all() or not mask.any():
        return
    lines = ax.contour(mask, [0.5], colors=color, linewidths=1.2)
    lines.set_path_effects([withStroke(linewidth=2.4, foreground=_RIM)])


def _color_bar(
    axes: Array, vmin: float, vmax: float, threshold: float | None
) -> "Colorbar":
    """Draw the scale beside all axes, with the threshold marked."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    if not vmax > vmin:  # maps without any anomaly have no heat
        vmax = vmin + 1
    ramp = np.linspace(vmin, vmax, 256, dtype=np.float32)[None]
    gray = np.full(ramp.shape, 150, np.uint8)
    colors = overlay(gray, ramp, vmin=vmin, vmax=vmax)[0] / 255
    scale = ScalarMappable(Normalize(vmin, vmax), ListedColormap(colors))
    bar = axes[0, 0].figure.colorbar(
        scale, ax=axes, extend="max", aspect=30, shrink=0.8, label="anomaly"
    )
    if threshold is not None and vmin < threshold < vmax:
        bar.ax.axhline(threshold, color=_RIM, linewidth=3)
        bar.ax.axhline(threshold, color=_FOUND, linewidth=1.2)
    return bar
