"""What a fitted estimator keeps of its weights, and how it finds them again."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from skuad.utils._parts import parts
from skuad.utils._typing import StrPath
from skuad.weights._digest import read_sha256, sha256_of
from skuad.weights._find import WeightsNotFoundError

if TYPE_CHECKING:
    from typing_extensions import Self

_Estimator = TypeVar("_Estimator")


class WeightsChangedError(ValueError):
    """The weights are not those that the estimator was fitted with."""


@dataclass(frozen=True)
class WeightsSource:
    """Weights that can be opened: a file, or its content.

    Attributes
    ----------
    sha256 : str
        SHA-256 of the content.
    path : str
        Where the file is, or was.
    content : ndarray of uint8 or None
        The file's content, if it is stored in the estimator.
    """

    sha256: str
    path: str
    content: NDArray[np.uint8] | None = None

    def open(self) -> BinaryIO:
        """Open the weights for reading, as a binary file."""
        if self.content is not None:
            return io.BytesIO(self.content.tobytes())
        return open(self.path, "rb")


class WeightsHolder:
    """Mixin of estimators with a file of weights and a parameter `store_weights`.

    A subclass writes ``_find_weights()``, which returns the path of the file that its
    parameters name, and calls `_hold_weights` in fit.

    Attributes
    ----------
    weights_path_ : str
        Where the file was in fit.
    weights_sha256_ : str
        Its SHA-256.
    weights_ : ndarray of uint8
        Its content, with ``store_weights=True`` only.
    """

    store_weights: bool
    _find_weights: Callable[[], Path]

    def _hold_weights(self) -> None:
        path = self._find_weights()
        self.weights_path_ = os.path.abspath(path)
        self.weights_sha256_ = sha256_of(path)
        if self.store_weights:
            self.weights_ = np.fromfile(path, np.uint8)
        elif hasattr(self, "weights_"):
            del self.weights_

    def _weights_source(self) -> WeightsSource:
        """Return the weights; a fitted estimator insists on those of fit."""
        expected = getattr(self, "weights_sha256_", None)
        if expected is None:
            path = os.path.abspath(self._find_weights())
            return WeightsSource(sha256_of(path), path)
        if hasattr(self, "weights_"):
            return WeightsSource(expected, self.weights_path_, self.weights_)
        path = self._fitted_path()
        if (found := sha256_of(path)) != expected:
            raise self._changed(path, found)
        return WeightsSource(expected, path)

    def _fitted_path(self) -> str:
        """Return where the file of fit is now: in its place, or where names lead."""
        if os.path.isfile(self.weights_path_):
            return self.weights_path_
        try:
            return os.path.abspath(self._find_weights())
        except WeightsNotFoundError as error:
            raise WeightsNotFoundError(
                f"the weights of this {type(self).__name__} are missing: it was fitted "
                f"with {self.weights_path_} (SHA-256 {self.weights_sha256_}), which is "
                "not there. Copy that file back, or, if it is elsewhere, say "
                "skuad.weights.relocate_weights(estimator, path); a detector fitted with "
                "store_weights=True needs no file"
            ) from error

    def _changed(self, path: StrPath, found: str) -> WeightsChangedError:
        return WeightsChangedError(
            f"{path} is not the file that this {type(self).__name__} was fitted with: its "
            f"SHA-256 is {found}, expected {self.weights_sha256_}. Fit again with the new "
            "weights, or, if the old file is elsewhere, say "
            "skuad.weights.relocate_weights(estimator, path)"
        )

    def check_weights(self) -> "Self":
        """Read the weights and compare their SHA-256 with that of fit.

        Returns
        -------
        self : estimator

        Raises
        ------
        WeightsNotFoundError
            If the file is gone.
        WeightsChangedError
            If it is another one.
        """
        if hasattr(self, "weights_"):
            found = hashlib.sha256(self.weights_.data).hexdigest()
            path = "the stored copy of the weights"
        else:
            path = self._fitted_path()
            found = read_sha256(path)
        if found != self.weights_sha256_:
            raise self._changed(path, found)
        return self

    def relocate_weights(self, path: StrPath) -> "Self":
        """Look for the weights at another place from now on.

        Parameters
        ----------
        path : str or path-like
            The same file as in fit, wherever it is now.

        Returns
        -------
        self : estimator

        Raises
        ------
        WeightsChangedError
            If it is another file than in fit.
        """
        if (found := read_sha256(path)) != self.weights_sha256_:
            raise self._changed(path, found)
        self.weights_path_ = os.path.abspath(path)
        return self


def check_weights(estimator: Any) -> dict[str, str]:
    """Check the weights of every part of a fitted estimator.

    Parameters
    ----------
    estimator : estimator
        A fitted detector, embedder, pipeline, search, ...

    Returns
    -------
    sha256 : dict of str to str
        SHA-256 by path, of every file of weights that the estimator needs.

    Raises
    ------
    WeightsNotFoundError
        If a file is gone.
    WeightsChangedError
        If a file is another one than in fit.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.weights import check_weights
    >>> data = make_defect_images(n_train=5, size=64, random_state=0)
    >>> check_weights(PatchKNN(calibration=None).fit(data.train))
    {}
    """
    return {
        holder.weights_path_: holder.check_weights().weights_sha256_
        for holder in _holders(estimator)
    }


def relocate_weights(estimator: _Estimator, path: StrPath) -> _Estimator:
    """Tell a fitted estimator where its weights are now.

    Parameters
    ----------
    estimator : estimator
        A fitted detector, embedder, pipeline, search, ...
    path : str or path-like
        A file of weights; every part that was fitted with this very file takes it from
        there.

    Returns
    -------
    estimator : estimator
        The same object.

    Raises
    ------
    WeightsChangedError
        If no part was fitted with this file.
    """
    found = read_sha256(path)
    holders = list(_holders(estimator))
    fitting = [holder for holder in holders if holder.weights_sha256_ == found]
    if not fitting:
        expected = sorted({holder.weights_sha256_ for holder in holders})
        raise WeightsChangedError(
            f"{Path(path)} has the SHA-256 {found}, but "
            + (f"{' or '.join(expected)} is expected" if expected else "none is needed")
        )
    for holder in fitting:
        holder.weights_path_ = os.path.abspath(path)
    return estimator


def needs_weights(estimator: Any) -> bool:
    """Whether a part of a fitted estimator was fitted with weights."""
    return any(True for _ in _holders(estimator))


def _holders(estimator: Any) -> Iterator[WeightsHolder]:
    """Yield every fitted holder of weights in an estimator, each object once."""
    for part in parts(estimator):
        if isinstance(part, WeightsHolder) and hasattr(part, "weights_sha256_"):
            yield part
