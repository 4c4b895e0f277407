"""Scorers for scikit-learn's model selection: metrics of maps made once per image."""

from collections.abc import Sequence
from copy import copy
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils.metadata_routing import MetadataRequest

from skuad.metrics._registry import NAMES, parse_metrics
from skuad.metrics._scoring import score_estimator
from skuad.metrics._spool import MEMORY_LIMIT
from skuad.metrics._targets import as_mask
from skuad.utils._param_validation import _MultimetricScorer
from skuad.utils._typing import ImagesLike, MasksLike, TargetsLike

_METADATA = ("masks", "ignore")


class _MapScorer:
    """What the scorers of one and of several metrics have in common."""

    def __init__(
        self, metrics: Any, ignore: NDArray[np.bool_] | None, memory_limit: int
    ) -> None:
        self.metrics = metrics
        self.ignore = ignore
        self.memory_limit = memory_limit
        self._requests = dict.fromkeys(_METADATA)

    def __repr__(self) -> str:
        return f"make_map_scorer({self.metrics!r})"

    def _values(
        self,
        estimator: Any,
        X: ImagesLike,
        y: TargetsLike,
        masks: MasksLike | None,
        ignore: MasksLike | None,
    ) -> dict[str, float]:
        return score_estimator(
            estimator,
            X,
            y,
            self.metrics,
            masks=masks,
            ignore=ignore,
            outside=self.ignore,
            memory_limit=self.memory_limit,
        )

    def set_score_request(self, **requests: bool | str | None) -> "_MapScorer":
        """Ask for metadata, when scikit-learn's metadata routing is switched on.

        Parameters
        ----------
        **requests : {True, False, None} or str
            For ``masks`` and ``ignore``: whether a search or `cross_validate` hands
            its metadata of that name to the scorer, or the name it has there.

        Returns
        -------
        scorer : scorer
            A copy; ready-made scorers stay as they are for everyone else.

        Raises
        ------
        RuntimeError
            If metadata routing is not switched on.
        TypeError
            If a scorer knows no metadata of that name.
        """
        if not get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "set_score_request takes metadata routing: "
                "sklearn.set_config(enable_metadata_routing=True)"
            )
        unknown = sorted(set(requests) - set(_METADATA))
        if unknown:
            raise TypeError(
                f"a map scorer takes the metadata {_METADATA}, got {unknown}"
            )
        scorer = copy(self)
        scorer._requests = {**self._requests, **requests}
        return scorer

    def get_metadata_routing(self) -> MetadataRequest:
        """Tell scikit-learn what metadata the scorer asks for.

        Returns
        -------
        routing : MetadataRequest
        """
        request = MetadataRequest(owner=self)
        for name, alias in self._requests.items():
            request.score.add_request(param=name, alias=alias)
        return request

    def _accept_sample_weight(self) -> bool:
        return False


class _SingleMapScorer(_MapScorer):
    """One metric, as a float."""

    def __call__(
        self,
        estimator: Any,
        X: ImagesLike,
        y: TargetsLike = None,
        *,
        masks: MasksLike | None = None,
        ignore: MasksLike | None = None,
    ) -> float:
        return self._values(estimator, X, y, masks, ignore)[self.metrics]


# scikit-learn lets errors of its own scorer of several metrics through. Those of any
# other scorer it turns into nan by default, and if a fold's scores are nan for every
# candidate, all of them get the rank 1.
class _MultiMapScorer(_MapScorer, _MultimetricScorer):
    """Several metrics, as a dict."""

    def __call__(
        self,
        estimator: Any,
        X: ImagesLike,
        y: TargetsLike = None,
        *,
        masks: MasksLike | None = None,
        ignore: MasksLike | None = None,
    ) -> dict[str, float]:
        values = self._values(estimator, X, y, masks, ignore)
        return {name: values[name] for name in self.metrics}

    @property
    def _scorers(self) -> dict[str, _SingleMapScorer]:
        """A scorer for each metric, which a search keeps as `scorer_`."""
        scorers = {}
        for name in self.metrics:
            scorers[name] = _SingleMapScorer(name, self.ignore, self.memory_limit)
            scorers[name]._requests = self._requests
        return scorers


def make_map_scorer(
    metrics: str | Sequence[str],
    *,
    ignore: npt.ArrayLike | None = None,
    memory_limit: int = MEMORY_LIMIT,
) -> "_SingleMapScorer | _MultiMapScorer":
    """Make a scorer that computes one or more metrics from one pass over the images.

    The scorer is called as ``scorer(estimator, X, y)`` and is what `scoring` of
    `~sklearn.model_selection.GridSearchCV`, `cross_validate` and the like takes. Maps
    and image scores come from `skuad.base.detect`, once for all metrics: of a
    detector, a pipeline that ends in one, a detector round another, or a fitted search.

    Parameters
    ----------
    metrics : str or list of str
        ``"pixel_roc_auc"``, ``"pixel_average_precision"``, ``"pixel_f1_max"``,
        ``"aupro"``, ``"aupimo"``, ``"image_roc_auc"``, ``"image_average_precision"``
        or ``"image_f1_max"``; ``"aupro@0.05"`` is AUPRO with that limit. All are better
        if higher. A list makes a scorer that returns a dict, and a search then needs
        ``refit="aupro"`` or another of the names.
    ignore : array-like of shape (H, W), default=None
        Pixels to leave out of every image, where not zero.
    memory_limit : int, default=2**30
        Bytes of maps, 4 for each pixel, that are held in memory while a test set is
        scored. More go to a temporary file, in the folder that
        `tempfile.gettempdir` names; the result is the same.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, *, masks=None, ignore=None)`` returns a float, or a
        dict of floats. `y` holds masks in any form that `pixel_roc_auc_score` takes, or
        for image metrics +1 (good) and -1 (defective). `masks` may be given beside such
        labels, and `ignore` holds a mask or None for every image; with metadata routing
        switched on, ``scorer.set_score_request(masks=True)`` asks for them. An image
        that is labelled -1 and has no mask is anomalous of unknown extent: pixel
        metrics leave it out with a warning.

        It raises ValueError if `y` holds labels and a metric needs masks, if labels are
        not +1 and -1 (0/1 are refused), or if a metric is undefined because all images
        are good or all defective. It never returns nan.

    Raises
    ------
    ValueError
        If there is no such metric, or `memory_limit` is negative.

    See Also
    --------
    get_map_scorer : A ready-made scorer by name.
    skuad.model_selection.GoodTrainKFold : Folds to use it with.

    Notes
    -----
    By default a search turns an error of a scorer that returns one float into nan, with
    a warning; ``error_score="raise"`` raises it. Errors of a scorer of several metrics
    are always raised.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.metrics import make_map_scorer
    >>> from skuad.model_selection import GoodTrainKFold
    >>> X, y = make_defect_images(
    ...     n_train=6, n_good=3, n_defective=6, size=64, return_X_y="masks"
    ... )
    >>> search = GridSearchCV(
    ...     PatchKNN(calibration=None, random_state=0),
    ...     {"n_neighbors": [1, 5]},
    ...     scoring=make_map_scorer(["aupro", "image_roc_auc"]),
    ...     refit="aupro",
    ...     cv=GoodTrainKFold(3),
    ... ).fit(X, y)
    >>> [key for key in search.cv_results_ if key.startswith("mean_test")]
    ['mean_test_aupro', 'mean_test_image_roc_auc']
    """
    parse_metrics(metrics)
    if not isinstance(memory_limit, Integral) or memory_limit < 0:
        raise ValueError(
            f"memory_limit is {memory_limit!r}; it must be a number of bytes."
        )
    if ignore is not None:
        ignore = as_mask(ignore, "ignore")
    if isinstance(metrics, str):
        return _SingleMapScorer(metrics, ignore, memory_limit)
    return _MultiMapScorer(list(metrics), ignore, memory_limit)


def get_map_scorer(name: str) -> _SingleMapScorer:
    """Return the scorer of a metric.

    Parameters
    ----------
    name : str
        A metric as in `make_map_scorer`.

    Returns
    -------
    scorer : callable
        See `make_map_scorer`.

    Raises
    ------
    ValueError
        If there is no such metric; the message lists those that there are.

    Examples
    --------
    >>> from skuad.metrics import get_map_scorer
    >>> get_map_scorer("aupro@0.05")
    make_map_scorer('aupro@0.05')
    """
    if not isinstance(name, str):
        raise ValueError(f"name is {name!r}; it must be a str. See make_map_scorer")
    parse_metrics(name)
    return _SingleMapScorer(name, None, MEMORY_LIMIT)


def get_map_scorer_names() -> list[str]:
    """Return the names that `get_map_scorer` knows.

    Returns
    -------
    names : list of str
        Sorted. AUPRO may have its limit, as in ``"aupro@0.05"``.

    Examples
    --------
    >>> from skuad.metrics import get_map_scorer_names
    >>> get_map_scorer_names()[:2]
    ['aupimo', 'aupro']
    """
    return sorted(NAMES)


aupimo_scorer = make_map_scorer("aupimo")
aupro_scorer = make_map_scorer("aupro")
image_average_precision_scorer = make_map_scorer("image_average_precision")
image_f1_max_scorer = make_map_scorer("image_f1_max")
image_roc_auc_scorer = make_map_scorer("image_roc_auc")
pixel_average_precision_scorer = make_map_scorer("pixel_average_precision")
pixel_f1_max_scorer = make_map_scorer("pixel_f1_max")
pixel_roc_auc_scorer = make_map_scorer("pixel_roc_auc")
