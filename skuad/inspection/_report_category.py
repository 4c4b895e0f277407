"""What a report says of one set of test images."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.base import detect, threshold_of
from skuad.inspection._heat import outlined
from skuad.inspection._report_measures import (
    Truth,
    image_curve,
    measure_images,
    measure_pixels,
)
from skuad.inspection._report_pictures import Picture, choose_examples, take_pictures
from skuad.io._images import Images, as_images
from skuad.metrics._breakdown import Estimate
from skuad.metrics._spool import MapSpool
from skuad.metrics._targets import image_labels
from skuad.model_selection._benchmark_store import settings_of
from skuad.utils._repr import fitted_facts
from skuad.utils._typing import Array, ImagesLike, MapsLike, MasksLike

if TYPE_CHECKING:
    from typing_extensions import Self

_GOOD = "good"


@dataclass
class CategoryReport:
    """Results on the test images of one category, for `write_report`.

    Make it with `from_estimator`, or with `from_predictions` from maps and scores that
    are there already.

    Attributes
    ----------
    name : str
        The category.
    names : list of str
        What the images are called: the paths below their common folder, or numbers.
    labels : ndarray of int of shape (n_images,)
        +1 for good images, -1 for anomalous ones.
    scores : ndarray of float64 of shape (n_images,)
        High is anomalous.
    types : list of str
        Types of defects.
    threshold : float or None
        Anomaly score above which an image is flagged.
    estimates : dict of {str: dict of {str: Estimate}}
        For ``"all"`` and every type of defect, by the names of the metrics, tuples
        (value, low, high).
    curves : dict of {str: (ndarray, ndarray)}
        ``"image_roc"`` and, with masks, ``"pixel_roc"`` and ``"pro"``.
    pictures : dict of {str: list of Picture}
        ``"anomalous"``, lowest score first, and ``"good"``, highest score first.
    n_unknown : int
        Number of anomalous images that pixel metrics leave out, as nobody drew their
        defects.
    settings, facts, model : dict, list and str
        Parameters of the estimator, what its fit found, and SHA-256 of its file.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.inspection import CategoryReport
    >>> data = make_defect_images(n_train=10, n_good=3, n_defective=4, size=64)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> report = CategoryReport.from_estimator(
    ...     detector, data.test, data.masks, name="noise", types=data.defect_type
    ... )
    >>> len(report.pictures["anomalous"]), sorted(report.curves)
    (4, ['image_roc', 'pixel_roc', 'pro'])
    """

    name: str
    names: list[str]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    types: list[str]
    threshold: float | None
    estimates: dict[str, dict[str, Estimate]]
    curves: dict[str, tuple[Array, Array]]
    pictures: dict[str, list[Picture]]
    n_unknown: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    facts: list[tuple[str, str]] = field(default_factory=list)
    model: str | None = None

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ImagesLike, y: MasksLike | ArrayLike, **options: Any
    ) -> "Self":
        """Score images with a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted detector, a pipeline that ends in one, or whatever
            `skuad.base.detect` takes.
        X : images
            Test images, good and anomalous; see `skuad.base.validate_images`.
        y : array-like of length n_images
            Masks in any form that `skuad.metrics.pixel_roc_auc_score` takes, or +1
            (good) and -1 (anomalous); then there are no pixel metrics.
        **options
            Of `from_predictions`, other than those that the estimator knows.

        Returns
        -------
        report : CategoryReport

        Raises
        ------
        ValueError
            If images and y do not fit together.
        """
        scores = []
        with MapSpool() as maps:
            for anomaly_map, score in detect(estimator, X):
                maps.append(anomaly_map)
                scores.append(score)
            return cls.from_predictions(
                X, maps, y, scores=scores, estimator=estimator, **options
            )

    @classmethod
    def from_predictions(
        cls,
        X: ImagesLike,
        maps: MapsLike,
        y_true: MasksLike | ArrayLike,
        *,
        scores: ArrayLike,
        estimator: Any = None,
        threshold: float | None = None,
        name: str = "data",
        names: Sequence[str] | Array | None = None,
        types: Sequence[str] | Array | None = None,
        model: str | None = None,
        n_examples: int = 12,
        n_resamples: int = 500,
        random_state: int = 0,
    ) -> "Self":
        """Measure maps and scores that are there already.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`. Only those that are shown are read.
        maps : sequence of n_images arrays of shape (H, W)
            Their anomaly maps, high where anomalous.
        y_true : array-like of length n_images
            As `y` in `from_estimator`.
        scores : array-like of shape (n_images,)
            Scores of the images, high where anomalous.
        estimator : estimator or None, default=None
            What made them: its parameters, its threshold and what its fit found are
            reported.
        threshold : float or None, default=None
            Anomaly score above which an image is flagged, if other than the
            estimator's.
        name : str, default="data"
            The category.
        names : sequence of str or None, default=None
            What to call the images, if not by their paths below their common folder.
        types : sequence of str or None, default=None
            Types of defects; what it says of a good image is not used.
        model : str or None, default=None
            SHA-256 of the estimator's file.
        n_examples : int, default=12
            Number of anomalous images with the lowest scores, and of good images with
            the highest, that are shown.
        n_resamples : int, default=500
            Of the bootstrap over images that gives the intervals of pixel metrics,
            which takes most of the time; 0 for no such intervals.
        random_state : int, default=0
            Of the resamples.

        Returns
        -------
        report : CategoryReport

        Raises
        ------
        ValueError
            If images, maps, scores and y_true do not fit together.
        """
        images = as_images(X)
        scores = np.asarray(scores, np.float64)
        labels = image_labels(y_true)
        types = _check_types(types, labels)
        for what, count in [
            ("maps", len(maps)),
            ("scores", len(scores)),
            ("entries of y", len(labels)),
            ("types", len(types)),
            ("names", len(labels if names is None else names)),
        ]:
            if count != len(images):
                raise ValueError(f"{count} {what} for {len(images)} images")
        if not np.isfinite(scores).all():
            raise ValueError("scores contains NaN or infinity")
        if threshold is None and estimator is not None:
            threshold = threshold_of(estimator)
        truth = Truth(y_true, labels)
        estimates = measure_images(labels, scores, types)
        curves = image_curve(labels, scores)
        if truth.is_drawn:
            pixels, more = measure_pixels(truth, maps, types, n_resamples, random_state)
            for group, values in pixels.items():
                estimates.setdefault(group, {}).update(values)
            curves |= more
        return cls(
            name=str(name),
            names=_names(images) if names is None else [str(n) for n in names],
            labels=labels,
            scores=scores,
            types=types,
            threshold=_number(threshold),
            estimates=estimates,
            curves=curves,
            pictures=take_pictures(
                choose_examples(labels, scores, n_examples),
                images,
                maps,
                truth,
                outlined(estimator, threshold),
            ),
            n_unknown=truth.n_unknown,
            settings={} if estimator is None else settings_of(estimator),
            facts=[] if estimator is None else fitted_facts(estimator),
            model=model,
        )


def _check_types(
    types: Sequence[str] | Array | None, labels: NDArray[np.int64]
) -> list[str]:
    """Return a type for every image; some names mean something else to the metrics."""
    if types is None:
        return [_GOOD if label == 1 else "anomalous" for label in labels]
    reserved = {"all": "(all)", "": "(none)"}
    return [reserved.get(str(name), str(name)) for name in types]


def _names(images: Images) -> list[str]:
    """Name images by their paths below their common folder, or by number."""
    paths = []
    if images.kind == "lazy" and isinstance(images.data.source, np.ndarray | list):
        paths = [images.data.source[i] for i in images.data.indices]
    if not paths or not all(isinstance(path, str | os.PathLike) for path in paths):
        return [f"image {number}" for number in range(len(images))]
    paths = [os.path.abspath(os.fsdecode(path)) for path in paths]
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # on several drives
        return paths
    return [os.path.relpath(path, folder).replace(os.sep, "/") for path in paths]


def _number(threshold: float | None) -> float | None:
    return None if threshold is None or np.isnan(threshold) else float(threshold)
