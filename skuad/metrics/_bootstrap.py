"""Resampling images, from counts per image."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skuad.metrics._counting import ThresholdCounter
from skuad.metrics._evidence import Anomalies
from skuad.metrics._levels import Levels, Values
from skuad.utils._typing import Array, IntArray

# Scores that a resample tells apart, for each group of images.
_N_CELLS = 1024
# Resamples at a time.
_BLOCK = 64


def choose_cells(
    all_levels: Sequence[tuple[Levels, IntArray]], n_scores: int
) -> IntArray:
    """Cut the distinct scores into cells that serve several groups of images.

    Half of a group's cells hold about as many anomalous pixels each, the others as
    many normal ones.

    Parameters
    ----------
    all_levels : list of (Levels, ndarray)
        The levels of each group, and where their scores are among all scores.
    n_scores : int

    Returns
    -------
    first : ndarray of shape (n_cells,)
        Where the first score of each cell is among all scores.
    """
    cuts: list[IntArray] = [np.zeros(min(n_scores, 1), np.int64)]
    for levels, places in all_levels:
        if len(places) <= _N_CELLS:
            cuts.append(places)
            continue
        for amounts in (levels.positives, -np.diff(levels.at_least, append=0)):
            total = np.cumsum(np.maximum(amounts, 0))
            wanted = np.linspace(0, total[-1], _N_CELLS // 2, endpoint=False)
            cuts.append(places[np.searchsorted(total, wanted, "right")])
    return np.unique(np.concatenate(cuts))


def count_images(
    scores: Array,
    first: IntArray,
    images: Iterable[Array | None],
    n_images: int,
    anomalies: Anomalies,
    groups: IntArray,
) -> Levels:
    """Count the pixels of each image among cells.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Distinct scores of the anomalous pixels, ascending.
    first : ndarray of shape (n_cells,)
        Where the first score of each cell is among them.
    images : iterable of (ndarray or None)
        The pixels of each image that count; None leaves it out.
    n_images : int
    anomalies : Anomalies
    groups : ndarray of shape (n_anomalies,)
        Where each anomaly's score is among the scores.

    Returns
    -------
    levels : Levels
        With fields of shape (n_images, n_cells) and (n_images,), in floats. A cell is a
        run of neighbouring scores that are taken as one tie; with a single score to
        each cell nothing is lost.
    """
    n_cells = len(first)
    shape = n_images, n_cells
    owner = anomalies.pixel_images()
    place = owner * n_cells + np.searchsorted(first, groups, "right") - 1
    size = n_images * n_cells
    positives = np.bincount(place, minlength=size).reshape(shape)
    weight = np.bincount(place, weights=anomalies.pixel_shares(), minlength=size)
    true = np.cumsum(positives[:, ::-1], axis=1)[:, ::-1]
    last = np.append(first[1:], len(scores)) - 1
    edges, where = np.unique(np.concatenate([first, last]), return_inverse=True)
    above, at_least = np.zeros((2, *shape), np.int64)
    n_normal = np.zeros(n_images, np.int64)
    for index, values in enumerate(images):
        if values is None:
            continue
        common = np.result_type(values, scores)
        counter = ThresholdCounter(scores[edges].astype(common))
        counter.add(values.astype(common, copy=False))
        more, reached = counter.counts()
        at_least[index] = reached[where[:n_cells]] - true[index]
        above[index] = more[where[n_cells:]] - (true - positives)[index]
        n_normal[index] = values.size - positives[index].sum()
    levels = Levels(
        scores=scores[first],
        positives=positives,
        weight=weight.reshape(shape),
        n_regions=np.bincount(anomalies.images, minlength=n_images),
        above=above,
        at_least=at_least,
        n_normal=n_normal,
    )
    return map_fields(levels, lambda field: field.astype(np.float64))


def draw(
    strata: Array, n_resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw images with replacement, as many from each stratum as it has.

    Parameters
    ----------
    strata : ndarray of shape (n_images,)
    n_resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    weights : ndarray of shape (n_resamples, n_images)
        How often each image was drawn.
    """
    weights = np.zeros((n_resamples, len(strata)))
    for stratum in np.unique(strata):
        index = np.flatnonzero(strata == stratum)
        share = np.full(len(index), 1 / len(index))
        weights[:, index] = rng.multinomial(len(index), share, size=n_resamples)
    return weights


def resample_values(
    levels: Levels,
    weights: NDArray[np.float64],
    metrics: Sequence[Callable[[Levels], Values]],
) -> NDArray[np.float64]:
    """Return the values of metrics for every resample.

    Parameters
    ----------
    levels : Levels
        Of each image, as `count_images` returns them.
    weights : ndarray of shape (n_resamples, n_images)
    metrics : list of callable
        From levels to a value.

    Returns
    -------
    values : ndarray of shape (n_metrics, n_resamples)
        nan where the metric is not defined for a resample.
    """
    values = np.empty((len(metrics), len(weights)))
    for start in range(0, len(weights), _BLOCK):
        block = slice(start, start + _BLOCK)
        resampled = map_fields(levels, lambda field: weights[block] @ field)  # noqa: B023
        with np.errstate(invalid="ignore", divide="ignore"):
            values[:, block] = [metric(resampled) for metric in metrics]
    return values


def map_fields(levels: Levels, function: Callable[[Array], Array]) -> Levels:
    """Return levels with a function applied to all counts of images."""
    fields = ("positives", "weight", "n_regions", "above", "at_least", "n_normal")
    return replace(levels, **{name: function(getattr(levels, name)) for name in fields})
