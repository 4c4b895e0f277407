"""A detector that looks at the object and not at what lies behind it."""

from collections.abc import Iterator
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skuad.base import (
    MetaMapDetector,
    detect,
    final_step,
    mask_outside,
    validate_images,
)
from skuad.base._meta_map_detector import HeldOut
from skuad.detectors._foreground import foreground_grid, learn_foreground, pixel_mask
from skuad.feature_extraction import FilterBankEmbedder
from skuad.io import ImageSequence
from skuad.io._derived import DerivedImages
from skuad.io._images import Images
from skuad.utils._param_validation import HasMethods, Interval
from skuad.utils._typing import Array, ImagesLike, MapAndScore

# The background is a coarse thing: it is learnt from no more images than these.
_IMAGES_TO_LEARN_FROM = 20


class ForegroundOnly(MetaMapDetector):
    """Look at the object in every image and leave out its background.

    For a part that lies anywhere on a tray or belt: dust and scratches behind it raise
    no alarm. As in AnomalyDINO [1]_, the first principal component of patch features
    tells object from background; each image gets a region of interest of its own.
    Outside of it patches are not learnt from, the map is zero, and pixels take no part
    in the score.

    Parameters
    ----------
    detector : estimator
        A detector, or a pipeline that ends in one. One that is not of this library
        learns from whole images; its map is cut to the object and its highest value
        there is the score.
    embedder : embedder, default=None
        Features of patches that tell object from background; by default that of the
        detector, or a `FilterBankEmbedder` if it has none.
    threshold : float or None, default=None
        Distance from the mean along the component, in units of the features, from which
        on a patch belongs to the object (the paper takes 10 with DINOv2); by default
        Otsu's threshold between the two.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged. The threshold is that quantile of
        the held-out scores of the training images.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags. It overrides
        `false_alarm_rate`.
    calibration : "auto", int, splitter or None, default="auto"
        How images are held out: a number of folds or a splitter; ``"auto"`` is 20
        folds, or 10 of more than 200 images. None sets no threshold.

    Attributes
    ----------
    detector_ : estimator
        The fitted detector.
    embedder_ : embedder
        The embedder that tells object from background.
    component_ : ndarray of float32 of shape (n_features,) or None
        Direction of features that points to the object. None if no object was found in
        the training images; then whole images are looked at.
    threshold_ : float or None
        A patch whose features' product with `component_` is above it is the object's.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.

    See Also
    --------
    RegionOfInterest : One region for all images, drawn by hand: where parts lie in a
        fixture, it is the safer choice.

    Notes
    -----
    Unlike the paper, which takes a component for each image, it is learnt from the
    training images (20 at most, evenly chosen), so that one rule holds for all. The
    side that keeps to the middle of the images is the object; if it reaches the rim, or
    the two are hardly apart, no object was found. Pieces of a mask that are less than a
    tenth of the largest are left out; the rest is widened by a patch and holes are
    filled, so that a defect which looks like the background is not cut out. Look at the
    masks with `foreground_masks` before you trust them: what they leave out is never
    flagged, foreign objects beside the part among it.

    There is no object to be found on textures, on parts that fill the image, on grids
    of less than 8 x 8 patches and in line scans: they are looked at as a whole, and so
    is an image in which no patch looks like the object.

    Images are embedded twice, for the mask and by the detector, unless the embedder has
    a `memory`. fit holds the masks of the training images, one byte per pixel.

    References
    ----------
    .. [1] S. Damm et al., "AnomalyDINO: Boosting Patch-based Few-shot Anomaly Detection
       with DINOv2", WACV 2025, https://arxiv.org/abs/2405.14529

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.detectors import ForegroundOnly, PatchKNN
    >>> rng = np.random.default_rng(0)
    >>> images = rng.normal(0.2, 0.02, (10, 128, 128)).clip(0, 1)
    >>> images[:, 48:80, 40:88] += 0.6
    >>> detector = ForegroundOnly(PatchKNN(random_state=0), false_alarm_rate=0.1)
    >>> maps = detector.fit(images).transform(images)
    >>> float(maps[:, :16].max()), bool(maps[:, 64, 64].max() > 0)
    (0.0, True)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **MetaMapDetector._parameter_constraints,
        "embedder": [HasMethods(["fit", "embed"]), None],
        "threshold": [Interval(Real, None, None, closed="neither"), None],
    }

    def __init__(
        self,
        detector: Any,
        embedder: Any = None,
        *,
        threshold: float | None = None,
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
    ):
        self.detector = detector
        self.embedder = embedder
        self.threshold = threshold
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def foreground_masks(self, X: ImagesLike) -> Array | list[Array]:
        """Find the object in every image.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.

        Returns
        -------
        masks : list of ndarray, or ndarray of shape (n, H, W) or (n, n_features)
            bool, True where the detector looks; in the container of the maps that
            `transform` gives.
        """
        check_is_fitted(self)
        images = validate_images(self, X, reset=False)
        source = self._source(images)
        return images.wrap_maps([source.mask(number) for number in range(len(images))])

    def _fit_images(self, images: Images) -> HeldOut | None:
        embedder = self.embedder
        embedder = _embedder_of(self.detector) if embedder is None else clone(embedder)
        self.embedder_ = embedder.fit(images)
        self.component_ = self.threshold_ = None
        if not images.is_rows:
            chosen = np.linspace(0, len(images) - 1, _IMAGES_TO_LEARN_FROM)
            features = embedder.embed(images.subset(np.unique(chosen.astype(int))))
            self.component_, self.threshold_ = learn_foreground(
                [item.values for item in features], self.threshold
            )
        return self._fit_detector(self._source(images, keep=True).as_input())

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        source = self._source(images)
        results = detect(self.detector_, source.as_input())
        for number, (anomaly_map, score) in enumerate(results):
            roi = source.roi(number)
            yield anomaly_map if roi is None else mask_outside(anomaly_map, roi), score

    def _source(self, images: Images, *, keep: bool = False) -> "ForegroundImages":
        return ForegroundImages(
            images, self.embedder_, self.component_, self.threshold_, keep=keep
        )


class ForegroundImages(DerivedImages):
    """Images, each with the region that its object covers.

    Regions are found when they are asked for, for as many images at once as the
    embedder takes.

    Parameters
    ----------
    images : Images
    embedder : embedder
        Fitted.
    component, threshold
        See `learn_foreground`.
    keep : bool, default=False
        Whether to keep the patches of all objects, to be asked for again, or those of
        the last images only.
    """

    def __init__(
        self,
        images: Images,
        embedder: Any,
        component: NDArray[np.float32] | None,
        threshold: float | None,
        *,
        keep: bool = False,
    ):
        super().__init__(images)
        self.embedder = embedder
        self.component = component
        self.threshold = threshold
        self.keep = keep
        self._found: dict[int, tuple[NDArray[np.bool_], tuple[int, int]]] = {}

    def roi(self, index: int) -> NDArray[np.bool_] | None:
        """Region of the object, inside one that the image has already."""
        given = self.images.roi(index)
        if self.component is None or self.threshold is None:  # both or neither
            return given
        grid, image_shape = self._find(int(index), self.component, self.threshold)
        if not grid.any():
            return given
        found = pixel_mask(grid, image_shape)
        if given is None:
            return found
        both = given & found
        return both if both.any() else given

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Region of the object, or else the whole image."""
        roi = self.roi(index)
        return np.ones(self[index].shape[:2], bool) if roi is None else roi

    def _find(
        self, index: int, component: NDArray[np.float32], threshold: float
    ) -> tuple[NDArray[np.bool_], tuple[int, int]]:
        if index not in self._found:
            if not self.keep:
                self._found.clear()
            stop = index + getattr(self.embedder, "batch_size", 1)
            numbers = np.arange(index, min(stop, len(self.images)))
            features = self.embedder.embed(self.images.subset(numbers))
            for number, item in zip(numbers.tolist(), features, strict=True):
                grid = foreground_grid(item.values, component, threshold)
                self._found[number] = grid, item.image_shape
        return self._found[index]

    def as_input(self) -> ImageSequence | Images:  # type: ignore[override]
        """Give the images as detectors take them."""
        return self.images if self.component is None else ImageSequence(self)


def _embedder_of(detector: Any) -> Any:
    """Make the embedder of a detector, or of what it wraps."""
    detector = final_step(detector)
    if hasattr(detector, "_make_embedder"):
        return detector._make_embedder()
    if hasattr(detector, "detector"):
        return _embedder_of(detector.detector)
    return FilterBankEmbedder()
