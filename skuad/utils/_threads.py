"""How many threads the libraries underneath take."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral
from typing import Any

import cv2
from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
# Thread and number of each limit in force, the latest last.
_active: dict[object, tuple[int, int]] = {}
_before: dict[str, int] = {}  # numbers of threads when none was in force


@contextmanager
def limit_threads(n_threads: int) -> Iterator[None]:
    """Let BLAS, OpenMP, OpenCV and torch take so many threads each, within a block.

    For BLAS and OpenCV the limit is the process's; for OpenMP and torch the calling
    thread's, and that of threads that first use torch while it holds. A service sets it
    once, before it starts its threads.

    Parameters
    ----------
    n_threads : int
        Number of threads, 1 or more.

    Yields
    ------
    None
        The limit holds within the block.

    Raises
    ------
    ValueError
        If `n_threads` is no whole number, or below 1.

    Notes
    -----
    A library is bounded if it has been imported: torch is, once the detector's network
    is loaded (`skuad.inference.warm_up`). OpenVINO has threads of its own.

    Blocks may be nested, and run in several threads at once: where they differ, the one
    that began last decides for BLAS and OpenCV, and after the last of them all is as it
    was before the first.

    Examples
    --------
    >>> import cv2
    >>> from skuad.utils import limit_threads
    >>> with limit_threads(1):
    ...     cv2.getNumThreads()
    1
    """
    if not isinstance(n_threads, Integral) or n_threads < 1:
        raise ValueError(f"n_threads must be 1 or more, got {n_threads!r}")
    limit = object()
    own = threading.get_ident(), int(n_threads)
    with _lock:
        if not _active:
            _before.update(_counts())
        _active[limit] = own
        _set_torch(own[1])  # first: it sets OpenMP and BLAS on its way
        openmp = _pools().select(user_api="openmp").limit(limits=own[1])
        _set_shared(own[1])
    try:
        yield
    finally:
        with _lock:
            del _active[limit]
            openmp.restore_original_limits()
            remaining = list(_active.values())
            outer = [count for thread, count in remaining if thread == own[0]]
            _set_torch(outer[-1] if outer else _before.get("torch"))
            _set_shared(remaining[-1][1] if remaining else None)
            if not remaining:
                _before.clear()


def _counts() -> dict[str, int]:
    counts = {pool.filepath: pool.num_threads for pool in _blas()}
    return {**counts, "cv2": cv2.getNumThreads()}


def _blas() -> list[Any]:
    return _pools().select(user_api="blas").lib_controllers


def _set_shared(n_threads: int | None) -> None:
    """Bound what belongs to the process; None goes back to what was before."""
    cv2.setNumThreads(_before["cv2"] if n_threads is None else n_threads)
    for pool in _blas():
        if n_threads is not None:
            _before.setdefault(pool.filepath, pool.num_threads)
            _set_blas(pool, n_threads)
        elif pool.filepath in _before:
            _set_blas(pool, _before[pool.filepath])


def _set_blas(pool: Any, n_threads: int) -> None:
    # threadpoolctl ignores all threads but the one that came first, in newer versions;
    # here a lock sees to it that they come one by one.
    release = getattr(pool, "clear_controlling_thread", lambda: None)
    release()
    pool.set_num_threads(n_threads)
    release()


def _set_torch(n_threads: int | None) -> None:
    torch = sys.modules.get("torch")
    if torch is None or n_threads is None:
        return
    _before.setdefault("torch", torch.get_num_threads())
    torch.set_num_threads(n_threads)


def _pools() -> ThreadpoolController:
    return _find_pools("torch" in sys.modules)


@lru_cache
def _find_pools(with_torch: bool) -> ThreadpoolController:
    # Looking through the libraries of a process takes milliseconds.
    return ThreadpoolController()
