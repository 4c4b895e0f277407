"""Random splits of good and defective images, trained on the good ones."""

from collections.abc import Iterator
from math import ceil, floor
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skuad.model_selection._base import GoodTrainSplitter
from skuad.utils._param_validation import Interval
from skuad.utils._typing import Fold, RandomStateLike


class GoodTrainShuffleSplit(GoodTrainSplitter):
    """Random splits that train on good images, and test on good and defective ones.

    Parameters
    ----------
    n_splits : int, default=5
        Number of splits, independent of one another.
    test_size : float in (0, 1), default=0.2
        Share of the good images, and of the defective ones, that is tested. With groups
        it is the share of the groups, of those with and of those without defects.
    train_size : float in (0, 1) or None, default=None
        Share of the good images, or of the groups without defects, that is trained on.
        None is all that are not tested. A list of rising shares makes a learning curve.
    random_state : int, RandomState instance or None, default=None
        Seed.

    See Also
    --------
    GoodTrainKFold : Every image is tested exactly once.

    Notes
    -----
    Defects are in test sets only. With groups, good images of groups that have defects
    are trained on if the group is not tested and `train_size` is None.

    Examples
    --------
    >>> from skuad.model_selection import GoodTrainShuffleSplit
    >>> y = [1] * 8 + [-1] * 4
    >>> splitter = GoodTrainShuffleSplit(2, test_size=0.25, random_state=0)
    >>> for train, test in splitter.split(y, y):
    ...     print(train, test)
    [0 1 3 4 5 7] [ 2  6 11]
    [0 1 3 4 5 6] [2 7 8]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_splits": [Interval(Integral, 1, None, closed="left")],
        "test_size": [Interval(Real, 0, 1, closed="neither")],
        "train_size": [Interval(Real, 0, 1, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_splits: int = 5,
        *,
        test_size: float = 0.2,
        train_size: float | None = None,
        random_state: RandomStateLike = None,
    ) -> None:
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.random_state = random_state

    def get_n_splits(
        self, X: object = None, y: object = None, groups: object = None
    ) -> int:
        """Return the number of splits.

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
        if self.test_size + (self.train_size or 0) > 1:
            raise ValueError(
                f"test_size={self.test_size} and train_size={self.train_size} are more "
                "than all images together"
            )
        rng = check_random_state(self.random_state)
        units = np.arange(len(is_bad)) if groups is None else groups
        has_defect = np.bincount(units, is_bad) > 0
        clean, defective = np.flatnonzero(~has_defect), np.flatnonzero(has_defect)
        for _ in range(self.n_splits):
            clean, defective = rng.permutation(clean), rng.permutation(defective)
            tested_clean = clean[: ceil(self.test_size * len(clean))]
            tested = defective[: ceil(self.test_size * len(defective))]
            test = np.isin(units, np.concatenate([tested_clean, tested]))
            train = ~test & ~is_bad
            if self.train_size is not None:
                n_trained = floor(self.train_size * len(clean))
                rest = clean[len(tested_clean) :]
                train &= np.isin(units, rest[:n_trained])
            yield np.flatnonzero(train), np.flatnonzero(test)
