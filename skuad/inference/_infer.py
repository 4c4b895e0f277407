"""Scores, decisions and maps out of any fitted detector, ours or another."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn.utils import Bunch

from skuad.base import detect, final_step, threshold_of
from skuad.inference._foreign import ForeignRunner, Input, Result
from skuad.io._sequence import without_index
from skuad.utils import limit_threads
from skuad.utils._typing import Array
from skuad.weights._holder import needs_weights

_OnError: TypeAlias = Literal["raise", "yield"]
_Run: TypeAlias = Callable[[Sequence[Any]], Iterator[Result]]

_INPUTS = ("auto", "list", "stack")
_ON_ERROR = ("raise", "yield")


@dataclass
class Inference:
    """What a detector says of one image.

    Attributes
    ----------
    index : int
        Number of the image.
    score : float or None
        High is anomalous, whatever the detector's own sign; None if it failed.
    label : {1, -1} or None
        +1 is good, -1 anomalous; None without a threshold.
    anomaly_map : ndarray of float32 of shape (H, W) or None
        High where anomalous.
    error : Exception or None
        Why it failed.
    """

    index: int
    score: float | None
    label: int | None = None
    anomaly_map: Array | None = None
    error: Exception | None = None


def infer(
    detector: Any,
    X: Iterable[Any],
    *,
    include_maps: bool = False,
    batch_size: int = 16,
    higher_is_anomalous: bool | None = None,
    input: Input = "auto",
    n_threads: int | None = None,
) -> Bunch:
    """Score images with any fitted detector, batch by batch.

    Parameters
    ----------
    detector : estimator or object
        A detector of skuad, a pipeline or search that ends in one; or a foreign object
        with ``decision_function`` (or ``score_samples``), ``predict_anomaly_map``, or
        both.
    X : images
        See `skuad.base.validate_images`; a foreign detector gets the items as they are.
    include_maps : bool, default=False
        Whether maps are kept; they take 4 bytes per pixel of every image.
    batch_size : int, default=16
        Number of images that the detector gets at once.
    higher_is_anomalous : bool or None, default=None
        Of a foreign ``decision_function``: True as in PyOD, False as in scikit-learn.
        None is False where the detector says that it is an outlier detector of
        scikit-learn, and an error otherwise.
    input : {"auto", "list", "stack"}, default="auto"
        What a foreign detector takes: a list of images, or an array of them. "auto" tries
        a list on the first batch and, if that raises a TypeError, AttributeError or
        ValueError, an array; what worked is kept.
    n_threads : int or None, default=None
        Number of threads that BLAS, OpenCV and torch take each meanwhile; None leaves
        them as they are. See `skuad.utils.limit_threads`.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        ``scores``, ndarray of float64 of shape (n_images,), high is anomalous;
        ``labels``, ndarray of int of +1 (good) and -1, or None without a threshold;
        ``maps``, list of ndarray of float32, or None unless asked for.

    Raises
    ------
    TypeError
        If the detector has none of the methods, or takes neither a list nor an array.
    ValueError
        If it returns other than one value, or one map, per image.

    See Also
    --------
    infer_stream : One image after the other, without an end.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.inference import infer
    >>> data = make_defect_images(n_train=20, n_good=2, size=64, random_state=0)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> infer(detector, data.test).scores.shape
    (22,)
    """
    results = list(
        infer_stream(
            detector,
            X,
            include_maps=include_maps,
            batch_size=batch_size,
            higher_is_anomalous=higher_is_anomalous,
            input=input,
            n_threads=n_threads,
        )
    )
    labels = [result.label for result in results]
    return Bunch(
        scores=np.array([result.score for result in results], np.float64),
        labels=None if None in labels else np.array(labels, int),
        maps=[result.anomaly_map for result in results] if include_maps else None,
    )


def infer_stream(
    detector: Any,
    images: Iterable[Any],
    *,
    include_maps: bool = True,
    batch_size: int = 1,
    higher_is_anomalous: bool | None = None,
    input: Input = "auto",
    on_error: _OnError = "raise",
    n_threads: int | None = None,
) -> Iterator[Inference]:
    """Yield what a detector says of every image of a stream, which need not end.

    Parameters
    ----------
    detector : estimator or object
        As of `infer`.
    images : iterable
        Images as (H, W) or (H, W, C) arrays or paths, or anything `infer` takes. No more
        than a batch is held.
    include_maps : bool, default=True
        Whether maps are given.
    batch_size : int, default=1
        Number of images that are given to the detector at once; a stream waits until
        there are so many.
    higher_is_anomalous, input
        As of `infer`.
    on_error : {"raise", "yield"}, default="raise"
        Whether an image that fails ends the stream, or is yielded with its `error`,
        after which the others go on.
    n_threads : int or None, default=None
        As of `infer`; between two results it does not hold.

    Yields
    ------
    result : Inference

    Raises
    ------
    TypeError, ValueError
        As of `infer`.
    """
    if input not in _INPUTS or on_error not in _ON_ERROR or batch_size < 1:
        raise ValueError(
            f"input must be one of {_INPUTS}, on_error one of {_ON_ERROR} and batch_size "
            f"1 or more, got {input!r}, {on_error!r} and {batch_size!r}"
        )
    if isinstance(images, str | os.PathLike):
        raise TypeError(
            f"one path, {os.fspath(images)!r}, is no set of images: put it into a list"
        )
    run = _runner(detector, higher_is_anomalous, input)
    images = without_index(images)
    results = _stream(run, images, include_maps, batch_size, on_error)
    return results if n_threads is None else _limited(results, detector, n_threads)


def _limited(
    results: Iterator[Inference], detector: Any, n_threads: int
) -> Iterator[Inference]:
    """Yield results that are computed by so many threads."""
    if needs_weights(detector) and find_spec("torch"):
        import_module("torch")  # only what has been imported can be bounded
    while True:
        with limit_threads(n_threads):
            result = next(results, None)
        if result is None:
            return
        yield result


def _stream(
    run: _Run,
    images: Iterable[Any],
    include_maps: bool,
    batch_size: int,
    on_error: _OnError,
) -> Iterator[Inference]:
    index = 0
    for batch in _batches(images, batch_size):
        for result in _run_batch(run, batch, on_error):
            result.index += index
            if not include_maps:
                result.anomaly_map = None
            yield result
        index += len(batch)


def _batches(images: Any, batch_size: int) -> Iterator[Sequence[Any]]:
    """Yield slices of a sequence, or lists from an iterator."""
    if hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        for start in range(0, len(images), batch_size):
            yield images[start : start + batch_size]
        return
    iterator = iter(images)
    while batch := list(islice(iterator, batch_size)):
        yield batch


def _run_batch(
    run: _Run, batch: Sequence[Any], on_error: _OnError
) -> Iterator[Inference]:
    """Yield results in order; a fault in a batch is looked for image by image."""
    done = 0
    try:
        for result in run(batch):
            yield Inference(done, *result)
            done += 1
        if done != len(batch):
            raise ValueError(
                f"the detector gave {done} results for {len(batch)} images"
            )
        return
    except Exception as error:
        if on_error == "raise":
            raise
        if len(batch) - done == 1:
            yield Inference(done, None, error=error)
            return
    for number in range(done, len(batch)):
        for alone in _run_batch(run, batch[number : number + 1], on_error):
            alone.index = number
            yield alone


def _runner(detector: Any, higher_is_anomalous: bool | None, input: Input) -> _Run:
    """Return a function from a batch to (score, label, map) per image."""
    if hasattr(final_step(detector), "detect"):
        threshold = threshold_of(detector)

        def run(batch: Sequence[Any]) -> Iterator[Result]:
            for anomaly_map, score in detect(detector, batch):
                yield float(score), _label(score, threshold), anomaly_map

        return run
    return ForeignRunner(detector, higher_is_anomalous, input)


def _label(score: float, threshold: float | None) -> int | None:
    if threshold is None:
        return None
    return -1 if score > threshold else 1
