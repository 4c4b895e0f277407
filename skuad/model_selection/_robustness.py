"""What corruptions, and other light, do to a detector."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.augmentation import (
    ChannelGain,
    Compose,
    DefocusBlur,
    ExposureShift,
    JPEGCompression,
    MotionBlur,
    SensorNoise,
    Vignette,
)
from skuad.augmentation._base import augment_alike
from skuad.base import detect, threshold_of
from skuad.io._derived import DerivedImages
from skuad.io._images import Images, as_images
from skuad.metrics._registry import parse_metrics
from skuad.metrics._scoring import score_estimator
from skuad.metrics._targets import masks_from
from skuad.utils._targets import anomalous
from skuad.utils._typing import Array, ImagesLike

Row: TypeAlias = dict[str, Any]
Severities: TypeAlias = Mapping[str, Sequence[float]] | Sequence[float]

#: Effect of a camera by name: from a severity to an augmenter, and severities.
CAMERA_EFFECTS = {
    "darker": (lambda stops: ExposureShift(-stops), (0.1, 0.25, 0.5)),
    "brighter": (ExposureShift, (0.1, 0.25, 0.5)),
    "warmer": (lambda shift: ChannelGain(1 + shift, 1 / (1 + shift)), (0.03, 0.1, 0.2)),
    "vignette": (Vignette, (0.05, 0.15, 0.3)),
    "defocus": (DefocusBlur, (0.75, 1.0, 2.0)),
    "motion": (MotionBlur, (1.0, 2.0, 4.0)),
    "noise": (lambda read: SensorNoise(read, 2 * read), (0.005, 0.01, 0.03)),
    "jpeg": (lambda loss: JPEGCompression(100 - loss), (10, 30, 60)),
}
DEFAULT_METRICS = ("image_roc_auc", "pixel_roc_auc", "aupro")


class RobustnessResult(NamedTuple):
    """What `robustness_curve` and `robustness_by_condition` return.

    Parameters
    ----------
    rows : list of dict
        Each with ``corruption`` (str), ``severity`` (float, nan where there is none),
        ``n_good``, ``n_anomalous``, ``false_alarm_rate`` and ``detection_rate`` (shares
        of the good and of the anomalous images that are flagged; nan if there are none,
        or no threshold), and the metrics by name. ``pandas.DataFrame(rows)`` is a table.
    metrics : list of str
        Names of the metrics in the rows.
    """

    rows: list[Row]
    metrics: list[str]


def robustness_curve(
    estimator: Any,
    X: ImagesLike,
    y: Any,
    augmenters: Mapping[str, Callable[[float], Any]] | None = None,
    severities: Severities | None = None,
    *,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
) -> RobustnessResult:
    """Evaluate a fitted detector on images that are corrupted more and more.

    Parameters
    ----------
    estimator : estimator
        A fitted detector, a pipeline that ends in one, or a fitted search over one.
    X : images
        Test images; see `skuad.base.validate_images`.
    y : array-like of length n
        Masks in any form, or +1 (good) and -1 (anomalous), which are enough for metrics
        of images.
    augmenters : dict of {str: callable} or None, default=None
        By the name of a corruption, a function from a severity to an augmenter of
        `skuad.augmentation`, or to a function ``f(image, mask, rng)``. None is eight
        effects of cameras: darker, brighter, warmer, vignette, defocus, motion, noise
        and jpeg.
    severities : sequence of float, dict of {str: sequence of float} or None, \
default=None
        Severities of all corruptions, or of each by its name. None is those of the
        camera effects, and may only be left out with them.
    metrics : str or sequence of str, default=("image_roc_auc", "pixel_roc_auc", "aupro")
        As in `skuad.metrics.make_map_scorer`; () for the rates alone, which works for
        good images alone.

    Returns
    -------
    result : RobustnessResult
        Its first row is the images as they are, with the corruption "none".

    Raises
    ------
    ValueError
        If a corruption has no severities, an augmenter changes the size of an image,
        or `y` does not suit the metrics.

    See Also
    --------
    robustness_by_condition : Light that was really changed.
    skuad.inspection.RobustnessDisplay : The curves as a picture.

    Notes
    -----
    Severities change nothing but their augmenter: each has its own seed, 0 unless the
    function sets another, and what it draws for an image depends on that image.

    The rates are of finitely many images. With 20 good ones, no alarm still allows a
    rate of 14 % (the upper end of the one-sided 95 % interval).

    Examples
    --------
    >>> from skuad.augmentation import ExposureShift
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.model_selection import robustness_curve
    >>> data = make_defect_images(n_train=20, n_good=4, n_defective=5, size=64)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> result = robustness_curve(
    ...     detector, data.test, data.masks, {"brighter": ExposureShift}, [0.2, 1.0]
    ... )
    >>> [(row["corruption"], row["severity"]) for row in result.rows]
    [('none', 0.0), ('brighter', 0.2), ('brighter', 1.0)]
    >>> [row["false_alarm_rate"] for row in result.rows]
    [0.0, 0.0, 1.0]
    """
    plan = _plan(augmenters, severities)
    names = _metric_names(metrics)
    images = as_images(X)
    is_anomalous = anomalous(y, len(images), strict=True)
    rows = [_row(estimator, images.data, y, is_anomalous, names, "none", 0.0)]
    for corruption, severity, augmenter in plan:
        try:
            source = _CorruptedImages(images, augmenter)
            y_seen, bad = source.targets(y, is_anomalous)
            row = _row(
                estimator, source.as_input(), y_seen, bad, names, corruption, severity
            )
        except ValueError as error:
            raise ValueError(f"{corruption} at {severity}: {error}") from error
        rows.append(row)
    return RobustnessResult(rows, names)


def robustness_by_condition(
    estimator: Any,
    X: ImagesLike,
    y: Any,
    condition: ArrayLike,
    *,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
) -> RobustnessResult:
    """Evaluate a fitted detector on images of each lighting condition.

    Parameters
    ----------
    estimator, X, y, metrics
        As in `robustness_curve`.
    condition : array-like of shape (n_images,)
        The condition of each image, such as that of
        `skuad.datasets.load_mvtec_ad2`: "regular", "overexposed", ...

    Returns
    -------
    result : RobustnessResult
        A row for each condition, "regular" first; severities are nan.

    Raises
    ------
    ValueError
        If the lengths differ, or a condition lacks good or anomalous images that a
        metric needs.

    See Also
    --------
    skuad.datasets.score_by_condition : One metric of given predictions.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.model_selection import robustness_by_condition
    >>> data = make_defect_images(n_train=20, n_good=4, n_defective=4, size=64)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> result = robustness_by_condition(
    ...     detector, data.test, data.masks, ["shift_1", "regular"] * 4
    ... )
    >>> [(row["corruption"], row["n_good"]) for row in result.rows]
    [('regular', 2), ('shift_1', 2)]
    """
    names = _metric_names(metrics)
    images = as_images(X)
    is_anomalous = anomalous(y, len(images), strict=True)
    condition = np.asarray(condition).astype(str)
    if condition.shape != (len(images),):
        raise ValueError(
            f"condition has the shape {condition.shape} for {len(images)} images: give "
            "one per image"
        )
    rows = []
    found = dict.fromkeys(condition.tolist())
    for name in sorted(found, key=lambda item: item != "regular"):
        keep = np.flatnonzero(condition == name)
        y_kept = y[keep] if isinstance(y, np.ndarray) else [y[i] for i in keep]
        part = images.subset(keep).data
        try:
            row = _row(
                estimator, part, y_kept, is_anomalous[keep], names, name, float("nan")
            )
        except ValueError as error:
            raise ValueError(f"condition {name}: {error}") from error
        rows.append(row)
    return RobustnessResult(rows, names)


def _metric_names(metrics: str | Sequence[str]) -> list[str]:
    if not isinstance(metrics, str) and not len(metrics):
        return []
    return [metric.name for metric in parse_metrics(metrics)]


def _plan(
    augmenters: Mapping[str, Callable[[float], Any]] | None,
    severities: Severities | None,
) -> list[tuple[str, float, Any]]:
    """List (corruption, severity, augmenter), all made before anything is run."""
    if augmenters is None:
        augmenters = {name: make for name, (make, _) in CAMERA_EFFECTS.items()}
        if severities is None:
            severities = {name: values for name, (_, values) in CAMERA_EFFECTS.items()}
    if not isinstance(augmenters, Mapping):
        raise ValueError(
            "augmenters must be a dict from names to functions of a severity, such as "
            f"{{'brighter': ExposureShift}}, got {augmenters!r}"
        )
    if severities is None:
        raise ValueError("severities is None, which is for augmenters=None only")
    plan = []
    for name, make in augmenters.items():
        if isinstance(severities, Mapping) and name not in severities:
            raise ValueError(
                f"severities has no entry for {name!r}; it has {list(severities)}"
            )
        values = severities[name] if isinstance(severities, Mapping) else severities
        for severity in values:
            augmenter = make(severity)
            if not hasattr(augmenter, "augment_image"):
                augmenter = Compose([augmenter])
            if hasattr(augmenter, "_validate_params"):
                augmenter._validate_params()
            plan.append((name, float(severity), augmenter))
    return plan


class _CorruptedImages(DerivedImages):
    """Images that are corrupted on access."""

    def __init__(self, images: Images, augmenter: Any) -> None:
        super().__init__(images)
        self.augmenter = augmenter

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        return self.corrupted(index)[0]

    def corrupted(
        self, index: int, mask: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Return an image and its mask after the corruption."""
        return augment_alike(
            self.augmenter, self._image(index), mask, name=self.describe(index)
        )

    def targets(
        self, y: Any, is_anomalous: NDArray[np.bool_]
    ) -> tuple[Any, NDArray[np.bool_]]:
        """Return y, and which images are anomalous, as the corruption leaves them."""
        are_labels = all(isinstance(item, int | float | np.number) for item in y)
        if are_labels or not getattr(self.augmenter, "changes_masks", True):
            return y, is_anomalous
        masks: list[Array | int | None] = []
        for index, mask in enumerate(masks_from(y, what="y")):
            if isinstance(mask, int):  # anomalous, of unknown extent
                masks.append(mask)
            else:
                masks.append(self.corrupted(index, mask)[1])
        return masks, anomalous(masks, len(masks))


class _Recorder:
    """An estimator that keeps the scores of the images it has seen."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.scores: list[float] = []

    def detect(self, X: ImagesLike) -> Iterator[tuple[NDArray[np.float32], float]]:
        for anomaly_map, score in detect(self.estimator, X):
            self.scores.append(score)
            yield anomaly_map, score


def _row(
    estimator: Any,
    X: ImagesLike,
    y: Any,
    is_anomalous: NDArray[np.bool_],
    metrics: list[str],
    corruption: str,
    severity: float,
) -> Row:
    recorder, values = _Recorder(estimator), {}
    if metrics:
        values = score_estimator(recorder, X, y, metrics)
    else:
        for _ in recorder.detect(X):
            pass
    threshold = threshold_of(estimator)
    flagged = np.full(len(recorder.scores), np.nan)
    if threshold is not None:
        flagged = np.array(recorder.scores) > threshold
    return {
        "corruption": corruption,
        "severity": severity,
        "n_good": int((~is_anomalous).sum()),
        "n_anomalous": int(is_anomalous.sum()),
        "false_alarm_rate": _share(flagged[~is_anomalous]),
        "detection_rate": _share(flagged[is_anomalous]),
        **{name: values[name] for name in metrics},
    }


def _share(flagged: Array) -> float:
    return float(np.mean(flagged)) if len(flagged) else float("nan")
