"""Scaling of patch rows before they are compared."""

from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.covariance import LedoitWolf
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from skuad.utils._typing import FloatArray

Scaling: TypeAlias = Literal["standard", "unit", "whiten"] | None


class Whitener(TransformerMixin, BaseEstimator):
    """Rows in the principal axes of their shrunk covariance, each of unit variance.

    The features are standardised first; their correlations are then removed. Shrinkage
    by Ledoit and Wolf [1]_ keeps directions of almost no variance from being blown up.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
    whitening_ : ndarray of shape (n_features, n_features)
        ``(X - mean_) @ whitening_`` are the whitened rows.

    References
    ----------
    .. [1] O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional
       covariance matrices", Journal of Multivariate Analysis 88, 2004.
    """

    _dtypes: ClassVar[list[DTypeLike]] = [np.float64, np.float32]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def fit(self, X: ArrayLike, y: Any = None) -> "Whitener":
        """Learn mean and covariance.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Training rows.
        y : None
            Ignored.

        Returns
        -------
        self : Whitener
        """
        rows: FloatArray = validate_data(self, X, dtype=self._dtypes)
        scaler = StandardScaler().fit(rows)
        covariance = LedoitWolf(store_precision=False, assume_centered=True)
        covariance.fit(scaler.transform(rows))
        variances, axes = np.linalg.eigh(covariance.covariance_.astype(np.float64))
        # Constant features leave the covariance singular; 0 drops their directions.
        smallest = variances[-1] * len(variances) * np.finfo(rows.dtype).eps
        scales = np.where(variances > smallest, variances, np.inf) ** -0.5
        whitening = axes * scales / scaler.scale_[:, None]
        self.mean_ = scaler.mean_.astype(rows.dtype)
        self.whitening_ = whitening.astype(rows.dtype)
        return self

    def transform(self, X: ArrayLike) -> FloatArray:
        """Whiten rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.

        Returns
        -------
        whitened : ndarray of shape (n_rows, n_features)
        """
        check_is_fitted(self)
        rows: FloatArray = validate_data(self, X, dtype=self._dtypes, reset=False)
        return (rows - self.mean_) @ self.whitening_


SCALERS = {"standard": StandardScaler, "unit": Normalizer, "whiten": Whitener}
# These learn nothing from the rows.
STATELESS = {None, "unit"}


def fit_scaler(scaling: Scaling, rows: FloatArray) -> Any:
    """Fit the scaler of a name; None for None."""
    return None if scaling is None else SCALERS[scaling]().fit(rows)
