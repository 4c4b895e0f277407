"""K folds of good and defective images, trained on the good ones."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skuad.model_selection._base import GoodTrainSplitter, count
from skuad.utils._param_validation import Interval
from skuad.utils._typing import Fold, IntArray, RandomStateLike


class GoodTrainKFold(GoodTrainSplitter):
    """K folds, of which the good images are trained on and all are tested on.

    Every image, good or defective, is in exactly one test set. A training set is made
    of the good images of the other folds; defects are never trained on.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to deal the images, or groups, out in random order. If not, the good
        images of a fold are neighbours, since photographs taken one after the other
        are often alike, and the defective ones are dealt out in turn, so that those of
        one type, which lie in one folder, are spread over the folds.
    random_state : int, RandomState instance or None, default=None
        Seed of the order, if `shuffle` is set.

    See Also
    --------
    GoodTrainShuffleSplit : Any number of random splits.
    GoodTrainPredefinedSplit : The split that a data set comes with.

    Notes
    -----
    With groups, whole groups go to the fold that has the fewest images like theirs, the
    largest groups first.

    Examples
    --------
    >>> from skuad.model_selection import GoodTrainKFold
    >>> y = [1, 1, 1, 1, -1, -1, -1]
    >>> for train, test in GoodTrainKFold(2).split(y, y):
    ...     print(train, test)
    [2 3] [0 1 4 6]
    [0 1] [2 3 5]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_splits: int = 5,
        *,
        shuffle: bool = False,
        random_state: RandomStateLike = None,
    ) -> None:
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    def get_n_splits(
        self, X: object = None, y: object = None, groups: object = None
    ) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Not used.

        Returns
        -------
        n_splits : int
        """
        return self.n_splits

    def _splits(
        self, is_bad: NDArray[np.bool_], groups: NDArray[np.intp] | None
    ) -> Iterator[Fold]:
        rng = check_random_state(self.random_state) if self.shuffle else None
        if groups is None:
            folds = self._folds_of_images(is_bad, rng)
        else:
            folds = deal_groups(is_bad, groups, self.n_splits, rng)
        for fold in range(self.n_splits):
            test = folds == fold
            yield np.flatnonzero(~test & ~is_bad), np.flatnonzero(test)

    def _folds_of_images(
        self, is_bad: NDArray[np.bool_], rng: np.random.RandomState | None
    ) -> NDArray[np.intp]:
        good, bad = np.flatnonzero(~is_bad), np.flatnonzero(is_bad)
        if min(len(good), len(bad)) < self.n_splits:
            raise ValueError(
                f"n_splits={self.n_splits} folds take {self.n_splits} good and "
                f"{self.n_splits} defective images or more, since each is tested once; "
                f"there are {count(is_bad)}"
            )
        if rng is not None:
            good, bad = rng.permutation(good), rng.permutation(bad)
        folds = np.empty(len(is_bad), int)
        folds[good] = np.arange(len(good)) * self.n_splits // len(good)
        folds[bad] = np.arange(len(bad)) % self.n_splits
        return folds


def deal_groups(
    is_bad: NDArray[np.bool_],
    groups: IntArray,
    n_folds: int,
    rng: np.random.RandomState | None = None,
) -> NDArray[np.intp]:
    """Deal whole groups out to folds, evenly in good and in defective images.

    Parameters
    ----------
    is_bad : ndarray of bool of shape (n,)
    groups : ndarray of int of shape (n,)
        Numbers from 0.
    n_folds : int
    rng : RandomState or None, default=None
        Breaks ties between groups; by default the first comes first.

    Returns
    -------
    folds : ndarray of int of shape (n,)
        The fold of every image.
    """
    sizes = np.stack(
        [np.bincount(groups, ~is_bad), np.bincount(groups, is_bad)], axis=1
    )
    shares = sizes / np.maximum(sizes.sum(axis=0), 1)
    order = np.arange(len(shares)) if rng is None else rng.permutation(len(shares))
    order = order[np.argsort(-(shares[order] ** 2).sum(axis=1), kind="stable")]
    loads, fold_of = np.zeros((n_folds, 2)), np.empty(len(shares), int)
    for group in order:
        # The fold for which the sum of squares of all loads grows least.
        growth = loads @ shares[group]
        fold_of[group] = np.lexsort([loads.sum(axis=1), growth])[0]
        loads[fold_of[group]] += shares[group]
    return fold_of[groups]
