"""Approximate nearest neighbours by an inverted file of faiss, an optional package."""

from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from skuad.neighbors._ranking import direct_squared
from skuad.utils._typing import FloatArray, IndexArray

_ROWS_PER_LIST = 39  # fewer training rows per list make faiss warn
_N_PROBE = 16  # lists that are searched for a query


def import_faiss() -> ModuleType:
    """Import faiss, or say how to install it.

    Raises
    ------
    ImportError
        If it is missing; names the package ``faiss-cpu``.
    """
    try:
        return import_module("faiss")
    except ImportError as error:
        raise ImportError(
            'algorithm="faiss" needs the package faiss-cpu: pip install faiss-cpu. '
            'algorithm="exact" needs no further package.'
        ) from error


def build_index(bank: FloatArray) -> NDArray[np.uint8]:
    """Return an inverted-file index of the bank, as bytes.

    Parameters
    ----------
    bank : ndarray of shape (n_bank, n_features)
        Rows, searched in float32.

    Returns
    -------
    index : ndarray of shape (n_bytes,), dtype uint8
        The index in the format of faiss, to be stored or passed to `InvertedFile`.
    """
    faiss = import_faiss()
    rows = np.ascontiguousarray(bank, dtype=np.float32)
    n_lists = int(min(4 * np.sqrt(len(rows)), len(rows) / _ROWS_PER_LIST))
    if n_lists <= _N_PROBE:
        index = faiss.IndexFlatL2(rows.shape[1])
    else:
        quantizer = faiss.IndexFlatL2(rows.shape[1])
        index = faiss.IndexIVFFlat(quantizer, rows.shape[1], n_lists)
        index.train(rows)
    index.add(rows)
    stored: NDArray[np.uint8] = faiss.serialize_index(index)
    return stored


class InvertedFile:
    """A searchable index of faiss over a bank.

    Parameters
    ----------
    bank : ndarray of shape (n_bank, n_features)
        Rows of float32 or float64.
    index : ndarray of shape (n_bytes,), dtype uint8
        What `build_index` returned for the bank.
    """

    def __init__(self, bank: FloatArray, index: NDArray[np.uint8]):
        self.bank = bank
        self.index = import_faiss().deserialize_index(index)

    def search(
        self,
        queries: FloatArray,
        n_neighbors: int = 1,
        mask: NDArray[np.bool_] | None = None,
    ) -> tuple[FloatArray, IndexArray]:
        """Return distances and bank rows of (most of) the nearest neighbours.

        The rows that are found are those of the lists nearest to the query; their
        distances are measured directly, as in exact search.
        """
        if mask is not None:
            raise ValueError('mask needs algorithm="exact".')
        if not 1 <= n_neighbors <= len(self.bank):
            raise ValueError(
                f"n_neighbors={n_neighbors} must be between 1 and the number of bank "
                f"rows, {len(self.bank)}."
            )
        rows = self._find(queries.astype(np.float32), n_neighbors)
        columns = np.repeat(np.arange(len(queries)), n_neighbors)
        squared = direct_squared(self.bank, rows.ravel(), queries, columns)
        squared = squared.reshape(rows.shape)
        order = np.lexsort((rows, squared), axis=1)
        distances = np.sqrt(np.take_along_axis(squared, order, axis=1))
        return distances, np.take_along_axis(rows, order, axis=1)

    def _find(self, queries: NDArray[np.float32], n_neighbors: int) -> IndexArray:
        """Return bank rows, searching more lists where too few rows were found."""
        faiss = import_faiss()
        if not isinstance(self.index, faiss.IndexIVF):
            found: IndexArray = self.index.search(queries, n_neighbors)[1]
            return found
        n_probe = _N_PROBE
        rows = np.full((len(queries), n_neighbors), -1)
        while (missing := (rows < 0).any(axis=1)).any():
            parameters = faiss.SearchParametersIVF(nprobe=n_probe)
            rows[missing] = self.index.search(
                queries[missing], n_neighbors, params=parameters
            )[1]
            n_probe = min(4 * n_probe, self.index.nlist)
        return rows
