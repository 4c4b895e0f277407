"""The split into training and test images that a data set comes with."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from skuad.model_selection._base import GoodTrainSplitter
from skuad.utils._typing import Fold, IntArray


class GoodTrainPredefinedSplit(GoodTrainSplitter):
    """The split that was made beforehand, trained on its good images.

    Parameters
    ----------
    test_fold : array-like of shape (n,)
        For every image "train" or "test", such as the column `split` of a data set; or
        as in `sklearn.model_selection.PredefinedSplit` the number of the fold in which
        the image is tested, -1 if it is never tested.

    See Also
    --------
    GoodTrainKFold : Folds made from all images.

    Notes
    -----
    Defective images that are not tested are not used at all.

    Examples
    --------
    >>> from skuad.model_selection import GoodTrainPredefinedSplit
    >>> y = [1, 1, 1, 1, -1]
    >>> splitter = GoodTrainPredefinedSplit(["train", "train", "train", "test", "test"])
    >>> for train, test in splitter.split(y, y):
    ...     print(train, test)
    [0 1 2] [3 4]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "test_fold": ["array-like"]
    }

    def __init__(self, test_fold: npt.ArrayLike) -> None:
        self.test_fold = test_fold

    def get_n_splits(
        self, X: object = None, y: object = None, groups: object = None
    ) -> int:
        """Return the number of splits: 1 if images are marked "train" and "test".

        Parameters
        ----------
        X, y, groups : object
            Not used.

        Returns
        -------
        n_splits : int
        """
        folds = self._folds()
        return len(np.unique(folds[folds >= 0]))

    def _folds(self) -> IntArray:
        folds = np.asarray(self.test_fold)
        if folds.dtype.kind in "OUT":
            other = sorted(set(folds.tolist()) - {"train", "test"})
            if other:
                raise ValueError(
                    f"test_fold has the entries {other}; it may have 'train' and "
                    "'test'. Say what the others are for: np.where(split == 'test', 0, "
                    "-1), or leave those images out"
                )
            return np.where(folds == "test", 0, -1)
        if folds.ndim != 1 or folds.dtype.kind not in "iu":
            raise ValueError(
                f"test_fold has shape {folds.shape} and dtype {folds.dtype}; it holds "
                "'train' or 'test' for every image, or the number of a fold, or -1"
            )
        return folds

    def _splits(
        self, is_bad: NDArray[np.bool_], groups: NDArray[np.intp] | None
    ) -> Iterator[Fold]:
        folds = self._folds()
        if len(folds) != len(is_bad):
            raise ValueError(
                f"test_fold has {len(folds)} entries for {len(is_bad)} images"
            )
        if not (folds >= 0).any():
            raise ValueError("test_fold marks no image for a test")
        for fold in np.unique(folds[folds >= 0]):
            test = folds == fold
            train = ~test & ~is_bad
            if groups is not None:
                shared = np.intersect1d(groups[train], groups[test])
                if len(shared):
                    image = int(np.flatnonzero(test & np.isin(groups, shared))[0])
                    raise ValueError(
                        f"{len(shared)} groups are trained on and tested on, one of "
                        f"them that of image {image}: images of one group must be on "
                        "one side of the split"
                    )
            yield np.flatnonzero(train), np.flatnonzero(test)
