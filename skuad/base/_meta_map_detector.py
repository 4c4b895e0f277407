"""What a detector round another detector has in common with its like."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias

from sklearn.base import MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from skuad.base._image_transformer import ImageTransformer, as_taken_by
from skuad.base._map_detector import MapDetector
from skuad.io._images import Images
from skuad.utils._param_validation import HasMethods
from skuad.utils._typing import ImagesLike, IndexArray, MapAndScore

#: From the items to learn from, and others, to maps and scores of the others.
HeldOut: TypeAlias = Callable[[IndexArray, IndexArray], Iterator[MapAndScore]]


class MetaMapDetector(MetaEstimatorMixin, MapDetector):
    """Base of detectors round a detector, or a pipeline that ends in one.

    They own the threshold: inner detectors are fitted with ``calibration=None``.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "detector": [HasMethods(["fit", "transform"])],
        **MapDetector._parameter_constraints,
    }

    def _clone_detector(self) -> Any:
        """Clone the inner detector, without the thresholds that nobody asks for."""
        detector = clone(self.detector)
        owners = {
            name.removesuffix("calibration")
            for name in detector.get_params(deep=True)
            if name.split("__")[-1] == "calibration"
        }
        names = detector.get_params(deep=True).keys()
        unused = (
            owner + name
            for owner in owners
            for name in ("calibration", "contamination")
        )
        return detector.set_params(**{name: None for name in unused if name in names})

    def _fit_detector(self, X: ImagesLike | Images) -> HeldOut | None:
        """Fit the inner detector.

        Returns
        -------
        held_out : callable or None
            A function of (train, test) that yields maps and scores of items of X which
            the detector, if it is one of ours, holds out by itself, without going
            through all X again.
        """
        self.detector_ = self._clone_detector()
        steps, inner = split_steps(self.detector_)
        if not isinstance(inner, MapDetector):
            self.detector_.fit(as_taken_by(self.detector_, X))
            return None
        if steps is not None:
            X = steps.fit(X).transform(X)
        images, learned = inner._fit_without_threshold(X)
        return lambda train, test: inner._detect_fold(images, learned, train, test)

    def _detect_fold(
        self, images: Images, learned: Any, train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        if learned is None:
            return super()._detect_fold(images, learned, train, test)
        return learned(train, test)


def split_steps(detector: Any) -> tuple[Pipeline | None, Any]:
    """Split a pipeline, if all its steps but the last are stateless and of ours.

    Parameters
    ----------
    detector : estimator
        A detector, or a pipeline that ends in one.

    Returns
    -------
    steps : Pipeline or None
        What comes before the detector, if anything does.
    detector : estimator
        The detector; the pipeline as it is if a step has to learn.
    """
    if isinstance(detector, Pipeline) and all(map(_is_stateless, detector[:-1])):
        return detector[:-1] if len(detector) > 1 else None, detector[-1]
    return None, detector


def _is_stateless(step: Any) -> bool:
    return isinstance(step, ImageTransformer) and not get_tags(step).requires_fit
