"""Detectors of other libraries."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin

from skuad.base import final_step, pool_map
from skuad.utils._typing import Array

#: Score, label and map of an image, as far as the detector has them.
Result: TypeAlias = tuple[float, int | None, Array | None]
#: How a detector that is not ours takes images.
Input: TypeAlias = Literal["auto", "list", "stack"]
_Maps: TypeAlias = list[NDArray[np.float32]]
_Results: TypeAlias = tuple[NDArray[np.float64], _Maps | None]


class ForeignRunner:
    """Runs a detector that is not ours, on lists or on stacks.

    Parameters
    ----------
    detector : object
    higher_is_anomalous, input
        As of `infer`.
    """

    def __init__(self, detector: Any, higher_is_anomalous: bool | None, input: Input):
        self.detector = detector
        names = ("decision_function", "score_samples")
        self.score_name = next(
            (name for name in names if hasattr(detector, name)), None
        )
        self.has_maps = hasattr(detector, "predict_anomaly_map")
        if self.score_name is None and not self.has_maps:
            raise TypeError(
                f"{type(detector).__name__} has no detect, decision_function, "
                "score_samples or predict_anomaly_map: it is no detector"
            )
        if higher_is_anomalous is None and self.score_name is not None:
            if not isinstance(final_step(detector), OutlierMixin):
                raise TypeError(
                    f"what a high {self.score_name} of {type(detector).__name__} means is "
                    "not known: say higher_is_anomalous=True (as in PyOD) or False (as in "
                    "scikit-learn)"
                )
            higher_is_anomalous = False
        self.higher_is_anomalous = higher_is_anomalous
        self.input = input

    def __call__(self, batch: Sequence[Any]) -> Iterator[Result]:
        scores, maps = self._run(batch)
        for number, score in enumerate(scores):
            sign = 1 if self.higher_is_anomalous or self.score_name is None else -1
            label = None
            if self.score_name == "decision_function" and sign == -1:
                label = -1 if score < 0 else 1
            yield float(sign * score), label, None if maps is None else maps[number]

    def _run(self, batch: Sequence[Any]) -> _Results:
        if self.input == "stack":
            return self._call(_stack(batch))
        try:
            results = self._call(list(batch))
            self.input = "list"
            return results
        except (TypeError, AttributeError, ValueError) as error:
            if self.input == "list":
                raise
            first = error
        try:
            results = self._call(_stack(batch))
        except (TypeError, AttributeError, ValueError) as second:
            # A subclass may take other arguments.
            kinds = (TypeError, AttributeError, ValueError)
            kind = next(kind for kind in kinds if isinstance(second, kind))
            raise kind(
                f"{type(self.detector).__name__} took neither a list of images ({first}) "
                f"nor an array of them ({second})"
            ) from first
        self.input = "stack"
        return results

    def _call(self, batch: Sequence[Any] | Array) -> _Results:
        if self.score_name is None:
            maps = self._maps(batch)
            return np.array([pool_map(values, "max") for values in maps]), maps
        scores = np.asarray(getattr(self.detector, self.score_name)(batch), float)
        if scores.shape != (len(batch),):
            raise ValueError(
                f"{self.score_name} gave the shape {scores.shape} for "
                f"{len(batch)} images"
            )
        return scores, self._maps(batch) if self.has_maps else None

    def _maps(self, batch: Sequence[Any] | Array) -> _Maps:
        maps = [
            np.asarray(values, np.float32)
            for values in self.detector.predict_anomaly_map(batch)
        ]
        _check_maps(maps, batch)
        return maps


def _stack(batch: Sequence[Any]) -> Array:
    shapes = {np.shape(image) for image in batch}
    if len(shapes) > 1:
        raise ValueError(f"images of several sizes make no array: {sorted(shapes)}")
    return np.stack([np.asarray(image) for image in batch])


def _check_maps(maps: _Maps, batch: Sequence[Any] | Array) -> None:
    if len(maps) != len(batch):
        raise ValueError(f"there are {len(maps)} maps for {len(batch)} images")
    for number, (values, image) in enumerate(zip(maps, batch, strict=True)):
        expected = np.shape(image)[:2]
        if values.ndim != 2 or (len(expected) == 2 and values.shape != expected):
            raise ValueError(
                f"map {number} has the shape {values.shape}, its image {expected}"
            )
