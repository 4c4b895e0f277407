"""Maps that wait for a second pass, in memory or, where they are many, on disk."""

from collections.abc import Sequence
from tempfile import TemporaryFile

import numpy as np

from skuad.base import detect

#: Bytes of maps that are held in memory by default.
MEMORY_LIMIT = 1 << 30


class MapSpool(Sequence):
    """Anomaly maps in order; those beyond a limit lie in a temporary file.

    It reads like a list of maps. As a context manager it deletes its file.

    Parameters
    ----------
    memory_limit : int, default=MEMORY_LIMIT
        Bytes to hold in memory.
    """

    def __init__(self, memory_limit=MEMORY_LIMIT):
        self.memory_limit = memory_limit
        self._entries = []
        self._n_bytes = 0
        self._file = None

    def __len__(self):
        return len(self._entries)

    def __getitem__(self, index):
        entry = self._entries[index]
        if isinstance(entry, np.ndarray):
            return entry
        self._file.seek(entry)
        return np.load(self._file, allow_pickle=False)

    def append(self, anomaly_map):
        """Add a map; the caller may use its array again."""
        if self._file is None and self._n_bytes + anomaly_map.nbytes <= (
            self.memory_limit
        ):
            self._entries.append(anomaly_map.copy())
            self._n_bytes += anomaly_map.nbytes
            return
        if self._file is None:
            self._file = TemporaryFile(prefix="skuad-")
        self._entries.append(self._file.seek(0, 2))
        np.save(self._file, anomaly_map, allow_pickle=False)

    def close(self):
        """Let go of all maps."""
        self._entries = []
        if self._file is not None:
            self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def spool_maps(estimator, X, memory_limit=MEMORY_LIMIT):
    """Return the maps of an estimator in a spool; `skuad.base.detect` makes them."""
    spool = MapSpool(memory_limit)
    for anomaly_map, _ in detect(estimator, X):
        spool.append(anomaly_map)
    return spool
