"""SHA-256 of files."""

import hashlib
from functools import lru_cache
from pathlib import Path

from skuad.utils._typing import StrPath


def sha256_of(path: StrPath) -> str:
    """Return the SHA-256 of a file, in hexadecimal; known from before if unchanged."""
    path = Path(path)
    status = path.stat()
    return _sha256(str(path.absolute()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: str, size: int, modified: int) -> str:
    return read_sha256(path)


def read_sha256(path: StrPath) -> str:
    """Return the SHA-256 of a file, in hexadecimal, by reading it."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
