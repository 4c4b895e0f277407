"""What the splitters have in common: good images to train on, both kinds to test on."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import indexable

from skuad.utils._param_validation import validate_parameter_constraints
from skuad.utils._targets import anomalous
from skuad.utils._typing import Fold, ImagesLike, IntArray, TargetsLike


class GoodTrainSplitter(BaseCrossValidator):
    """Base of splitters whose training sets hold good images only.

    A subclass has ``_parameter_constraints`` and writes
    ``_splits(is_bad, groups)``: it yields index arrays (train, test), where `groups` is
    None or holds a number for every image.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    # Metadata routing, where it is switched on, hands groups over without being asked.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def split(
        self, X: ImagesLike, y: TargetsLike = None, groups: npt.ArrayLike | None = None
    ) -> Iterator[Fold]:
        """Yield the images to train on and to test on.

        Parameters
        ----------
        X : images of length n
            No image is opened.
        y : array-like of length n
            Which images are good: +1 (good) and -1 (defective); masks (n, H, W); or a
            list or array of masks, None, -1 or mask paths ('' for a good image).
        groups : array-like of shape (n,), default=None
            Images of one group, such as a serial number, a production lot or a
            lighting, are never on both sides of a split.

        Yields
        ------
        train : ndarray of int
            Indices of good images, ascending.
        test : ndarray of int
            Indices of good and defective images, ascending.

        Raises
        ------
        ValueError
            If y is missing, has labels other than +1 and -1, or a target is 0
            (unknown); or if a training set would have no image, or a test set not both
            kinds. The message gives the counts.
        """
        name = type(self).__name__
        validate_parameter_constraints(
            self._parameter_constraints,
            {key: getattr(self, key) for key in self._parameter_constraints},
            caller_name=name,
        )
        if y is None:
            raise ValueError(
                f"{name} has to know which images are good: give y as +1 (good) and -1 "
                "(defective), masks, or mask paths"
            )
        _, targets, keys = indexable(X, y, groups)
        is_bad = anomalous(targets, len(targets), strict=True)
        if keys is not None:
            keys = np.unique(np.asarray(keys), return_inverse=True)[1].ravel()
        for number, (train, test) in enumerate(self._splits(is_bad, keys)):
            self._check(number, is_bad, train, test)
            yield np.sort(train), guarded(np.sort(test), is_bad)

    def _splits(
        self, is_bad: NDArray[np.bool_], groups: NDArray[np.intp] | None
    ) -> Iterator[Fold]:
        raise NotImplementedError

    def _check(
        self, number: int, is_bad: NDArray[np.bool_], train: IntArray, test: IntArray
    ) -> None:
        n_bad = int(is_bad[test].sum())
        n_good = len(test) - n_bad
        if len(train) and n_bad and n_good:
            return
        raise ValueError(
            f"split {number} of {self!r} would train on {len(train)} good images and "
            f"test on {n_good} good and {n_bad} defective ones: it takes at least one "
            f"of each. In all there are {count(is_bad)}"
        )


def count(is_bad: NDArray[np.bool_]) -> str:
    """Say how many images are good and how many defective."""
    return f"{int((~is_bad).sum())} good and {int(is_bad.sum())} defective images"


def guarded(test: NDArray[np.intp], is_bad: NDArray[np.bool_]) -> "_TestSet":
    """Return the indices of a test set, guarded against subsampling: see `_TestSet`."""
    test_set = test.view(_TestSet)
    test_set.is_bad = is_bad[test]
    return test_set


class _TestSet(np.ndarray[Any, np.dtype[np.intp]]):
    """Indices of a test set that scikit-learn cannot rob of all its defects.

    ``HalvingGridSearchCV(resource="n_samples")`` draws a part of every test set without
    regard to y. Scores of a part without defects, or without good images, are
    undefined; a search would by default make them nan, and rank all candidates first.
    It draws with ``test[drawn, ...]``, which nobody else writes.
    """

    is_bad: NDArray[np.bool_] | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.is_bad = None

    def __getitem__(self, key: Any) -> Any:
        part = np.asarray(self)[key]
        if isinstance(key, tuple) and self.is_bad is not None and len(key) == 2:
            is_bad = self.is_bad[key]
            if key[1] is Ellipsis and (is_bad.all() or not is_bad.any()):
                raise ValueError(
                    f"a part of {len(is_bad)} out of {len(self)} images of a test set "
                    f"has {count(is_bad)}, but scores take both. With "
                    "resource='n_samples' raise min_resources, or halve by another "
                    "resource, such as resource='max_patches'"
                )
        return part

    def __repr__(self) -> str:
        return repr(np.asarray(self))
