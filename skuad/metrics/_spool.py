"""Maps that wait for a second pass, in memory or, where they are many, on disk."""

from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from skuad.base import detect
from skuad.utils._typing import Array, ImagesLike

#: Bytes of maps that are held in memory by default.
MEMORY_LIMIT = 1 << 30


class MapSpool(Sequence[Array]):
    """Anomaly maps in order; those beyond a limit lie in a temporary file.

    It reads like a list of maps. As a context manager it deletes its file.

    Parameters
    ----------
    memory_limit : int, default=MEMORY_LIMIT
        Bytes to hold in memory.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self.memory_limit = memory_limit
        self._entries: list[Array | tuple[IO[bytes], int]] = []
        self._n_bytes = 0
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
        entry = self._entries[index]
        if isinstance(entry, np.ndarray):
            return entry
        file, start = entry
        file.seek(start)
        return np.load(file, allow_pickle=False)

    def append(self, anomaly_map: Array) -> None:
        """Add a map; the caller may use its array again."""
        if self._file is None and self._n_bytes + anomaly_map.nbytes <= (
            self.memory_limit
        ):
            self._entries.append(anomaly_map.copy())
            self._n_bytes += anomaly_map.nbytes
            return
        if self._file is None:
            self._file = TemporaryFile(prefix="skuad-")
        self._entries.append((self._file, self._file.seek(0, 2)))
        np.save(self._file, anomaly_map, allow_pickle=False)

    def close(self) -> None:
        """Let go of all maps."""
        self._entries = []
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> "MapSpool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def spool_maps(
    estimator: Any, X: ImagesLike, memory_limit: int = MEMORY_LIMIT
) -> MapSpool:
    """Return the maps of an estimator in a spool; `skuad.base.detect` makes them."""
    spool = MapSpool(memory_limit)
    for anomaly_map, _ in detect(estimator, X):
        spool.append(anomaly_map)
    return spool
