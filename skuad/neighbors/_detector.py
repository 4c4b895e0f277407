"""An outlier detector for rows: a coreset of the training rows, and search in it."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skuad.neighbors._approximate import InvertedFile, build_index, import_faiss
from skuad.neighbors._coreset import k_center_greedy, random_coreset
from skuad.neighbors._exact import PreparedBank, check_mask
from skuad.neighbors._memory import require_memory
from skuad.utils._param_validation import Interval, StrOptions, _fit_context
from skuad.utils._typing import FloatArray, IndexArray, RandomStateLike

if TYPE_CHECKING:
    from typing_extensions import Self

Coreset: TypeAlias = Literal["greedy", "random"] | None


class NearestNeighborDetector(OutlierMixin, BaseEstimator):
    """Detect outliers by their distance to the nearest rows of a memory bank.

    The bank is a coreset of the training rows, as in PatchCore [1]_. The score of a
    row is minus the mean Euclidean distance to its `n_neighbors` nearest bank rows.

    Parameters
    ----------
    n_neighbors : int, default=1
        Number of neighbours whose distances are averaged.
    coreset : {"greedy", "random"} or None, default="greedy"
        How training rows are selected into the bank. "greedy" minimises the largest
        distance of a training row to the bank; "random" has a better mean distance
        and costs nothing; None keeps all rows.
    coreset_ratio : float, default=0.1
        Share of the training rows in the bank, in (0, 1]. There are never fewer bank
        rows than `n_neighbors`. Without effect if `coreset` is None.
    algorithm : {"exact", "faiss"}, default="exact"
        "exact" finds the true neighbours, and the same ones in every batch. "faiss"
        is approximate: an inverted file, worth it above about 200,000 bank rows,
        which can miss a neighbour. It needs the package ``faiss-cpu``.
    contamination : float or None, default=0.01
        Share of the training rows that `predict` flags, in (0, 0.5]: `offset_` is
        that quantile of the training scores. Rows in the bank are their own nearest
        neighbours, so new rows are flagged more often; to bound the share of false
        alarms, take the threshold from the scores of held-out rows. With None the
        training rows are not scored and `offset_` is 0, for callers who do that.
    random_state : int, RandomState instance or None, default=None
        Draws the first center of a greedy coreset, or the rows of a random one.

    Attributes
    ----------
    bank_ : ndarray of shape (n_bank, n_features)
        The memory bank, float32 if fitted on float32, else float64. Rows to be
        scored are converted to this dtype.
    bank_indices_ : ndarray of shape (n_bank,), dtype intp
        The training rows that are in the bank, in the order of `bank_`.
    offset_ : float
        ``decision_function(X) = score_samples(X) - offset_``.
    faiss_index_ : ndarray of shape (n_bytes,), dtype uint8
        The index in the format of faiss. Only with ``algorithm="faiss"``.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features seen during fit, if all are strings.

    See Also
    --------
    k_center_greedy : The selection of the greedy coreset.
    nearest_neighbors : The search, as a function.

    Notes
    -----
    With ``coreset=None`` and ``n_neighbors=1`` every training row has score 0, and
    none of them is flagged.

    References
    ----------
    .. [1] K. Roth et al., "Towards total recall in industrial anomaly detection",
       CVPR 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.neighbors import NearestNeighborDetector
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> detector = NearestNeighborDetector(random_state=0).fit(X)
    >>> detector.bank_.shape
    (50, 3)
    >>> detector.predict([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
    array([ 1, -1])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "coreset": [StrOptions({"greedy", "random"}), None],
        "coreset_ratio": [Interval(Real, 0, 1, closed="right")],
        "algorithm": [StrOptions({"exact", "faiss"})],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_neighbors: int = 1,
        *,
        coreset: Coreset = "greedy",
        coreset_ratio: float = 0.1,
        algorithm: Literal["exact", "faiss"] = "exact",
        contamination: float | None = 0.01,
        random_state: RandomStateLike = None,
    ):
        self.n_neighbors = n_neighbors
        self.coreset = coreset
        self.coreset_ratio = coreset_ratio
        self.algorithm = algorithm
        self.contamination = contamination
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> "Self":
        """Select the memory bank and set the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, at least `n_neighbors`.
        y : None
            Ignored.

        Returns
        -------
        self : NearestNeighborDetector
            The fitted detector.

        Raises
        ------
        ImportError
            If ``algorithm="faiss"`` and the package is missing.
        MemoryError
            If the bank does not fit into the available memory; raised before
            anything is allocated.
        ValueError
            If there are fewer rows than `n_neighbors`, or a value is NaN or infinite.
        """
        if self.algorithm == "faiss":
            import_faiss()
        rows: FloatArray = validate_data(self, X, dtype=[np.float64, np.float32])
        if len(rows) < self.n_neighbors:
            raise ValueError(
                f"n_neighbors={self.n_neighbors} needs as many training rows, got "
                f"n_samples = {len(rows)}."
            )
        n_bank = bank_size(
            len(rows), self.coreset, self.coreset_ratio, self.n_neighbors
        )
        _require_memory(rows, n_bank, self.coreset)
        self.bank_indices_ = _select(rows, n_bank, self.coreset, self.random_state)
        self.bank_ = np.ascontiguousarray(rows[self.bank_indices_])
        if self.algorithm == "faiss":
            self.faiss_index_ = build_index(self.bank_)
        self._searcher = self._make_searcher()
        self.offset_ = 0.0
        if self.contamination is not None:
            scores = -self._searcher.search(rows, self.n_neighbors)[0].mean(axis=1)
            self.offset_ = float(np.percentile(scores, 100 * self.contamination))
        return self

    def kneighbors(
        self,
        X: ArrayLike,
        n_neighbors: int | None = None,
        *,
        mask: ArrayLike | None = None,
    ) -> tuple[FloatArray, IndexArray]:
        """Find the nearest bank rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to look up.
        n_neighbors : int, default=None
            Number of neighbours; None takes that of the detector.
        mask : array-like of shape (n_bank,), dtype bool, default=None
            True for the bank rows that may be neighbours. Leave-one-out over images
            is ``mask = image_of_row[bank_indices_] != image``. Exact search only.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_neighbors)
            Euclidean distances in ascending order, in the dtype of `bank_`.
        indices : ndarray of shape (n_samples, n_neighbors), dtype intp
            Rows of `bank_`; of rows at equal distance the lowest comes first.

        Raises
        ------
        ValueError
            If X or `mask` does not fit the bank, or `n_neighbors` is larger than the
            number of allowed bank rows.
        """
        check_is_fitted(self)
        queries: FloatArray = validate_data(
            self, X, dtype=self.bank_.dtype, order="C", reset=False
        )
        n_neighbors = self.n_neighbors if n_neighbors is None else n_neighbors
        return self._searcher.search(
            queries, n_neighbors, check_mask(mask, len(self.bank_))
        )

    def score_samples(
        self, X: ArrayLike, *, mask: ArrayLike | None = None
    ) -> FloatArray:
        """Return minus the mean distance to the nearest bank rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.
        mask : array-like of shape (n_bank,), dtype bool, default=None
            True for the bank rows that may be neighbours, as in `kneighbors`.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            At most 0; low is anomalous. In the dtype of `bank_`.
        """
        return -self.kneighbors(X, mask=mask)[0].mean(axis=1)

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Return the score relative to the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``; negative is anomalous.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> IndexArray:
        """Tell normal rows from anomalous ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        labels : ndarray of shape (n_samples,), dtype intp
            +1 for normal, -1 for anomalous rows.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _make_searcher(self) -> PreparedBank | InvertedFile:
        """Build what searches `bank_` from the stored arrays."""
        if self.algorithm == "faiss":
            return InvertedFile(self.bank_, self.faiss_index_)
        return PreparedBank(self.bank_)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_searcher", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "bank_"):
            self._searcher = self._make_searcher()


def bank_size(
    n_samples: int, coreset: Coreset, coreset_ratio: float, n_neighbors: int
) -> int:
    """Return how many of the training rows go into the bank."""
    if coreset is None:
        return n_samples
    return min(n_samples, max(n_neighbors, round(coreset_ratio * n_samples)))


def _select(
    X: FloatArray, n_bank: int, coreset: Coreset, random_state: RandomStateLike
) -> IndexArray:
    """Return the indices of the rows of the bank."""
    if coreset == "greedy":
        return k_center_greedy(X, n_bank, random_state=random_state)
    if coreset == "random":
        return random_coreset(X, n_bank, random_state=random_state)
    return np.arange(len(X))


def _require_memory(X: FloatArray, n_bank: int, coreset: Coreset) -> None:
    """Raise MemoryError if selecting and preparing the bank takes too much memory."""
    row = X.shape[1] * X.dtype.itemsize
    n_bytes = 2 * n_bank * row  # the bank, and centred
    if coreset == "greedy":
        # The rows once centred in their dtype and once as float32 factors.
        n_bytes = max(n_bytes, len(X) * (row + 4 * X.shape[1]))
    require_memory(
        n_bytes,
        purpose=f"A memory bank of {n_bank} out of {len(X)} rows",
        advice={
            "greedy": 'Set coreset="random" and a lower coreset_ratio, or fit on '
            "fewer rows.",
            "random": "Lower coreset_ratio.",
            None: 'Set coreset="random" and a coreset_ratio below 1.',
        }[coreset],
    )
