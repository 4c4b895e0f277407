"""Images on many processes or machines, through joblib."""

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Literal

from joblib import Parallel, delayed, parallel_config

from skuad.cli._console import Console, Failure
from skuad.cli._job import Item, Job
from skuad.cli._stream import Record
from skuad.utils._optional import import_optional

# Images that a process takes at once: few at first, so that something is done if the
# run is stopped early.
_CHUNK, _CHUNKS_OF_A_SIZE = 16, 8
# Seconds that a scheduler may take to answer.
_TIMEOUT = 10


def run_in_parallel(
    job: Job,
    items: Sequence[Item],
    *,
    n_jobs: int | None,
    backend: Literal["loky", "dask"],
    scheduler: str | None,
) -> Iterator[Record]:
    """Yield the records of a job, in the order of the items.

    Parameters
    ----------
    job : Job
    items : list of (path, name)
    n_jobs : int or None
        None for all there are.
    backend : {"loky", "dask"}
    scheduler : str or None
        Address of a dask scheduler; None starts one on this machine.

    Raises
    ------
    Failure
        If no scheduler answers.
    """
    if job.pictures is not None and job.pictures.outlined is None:
        # The first map sets the colours of all.
        yield from job.run(items[:1])
        items = items[1:]
    # Whoever stops the run knows that results were not used.
    unused = r"\d+ tasks (have been successfully executed|which were still being)"
    warnings.filterwarnings("ignore", unused, UserWarning)
    with _engine(backend, scheduler, n_jobs, job):
        parallel = Parallel(return_as="generator", pre_dispatch="2*n_jobs")
        for records in parallel(delayed(_run)(job, part) for part in _chunks(items)):
            yield from records


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield parts of items: of 1, and ever more up to `_CHUNK`."""
    start = number = 0
    while start < len(items):
        size = min(_CHUNK, 2 ** (number // _CHUNKS_OF_A_SIZE))
        yield items[start : start + size]
        start, number = start + size, number + 1


def _run(job: Job, chunk: Sequence[Item]) -> list[Record]:
    with _console(job.verbose).warnings_in_one_line():
        return list(job.run(chunk))


@cache
def _console(verbose: bool) -> Console:
    """Return the one of this process, which says a warning once."""
    return Console(verbose=verbose)


@contextmanager
def _engine(
    backend: Literal["loky", "dask"],
    scheduler: str | None,
    n_jobs: int | None,
    job: Job,
) -> Iterator[None]:
    n_jobs = -1 if n_jobs is None else n_jobs
    if backend != "dask":
        with parallel_config(backend=backend, n_jobs=n_jobs):
            yield
        return
    distributed = import_optional("distributed", extra="dask", needed_by="dask")
    if not job.verbose:
        _log_errors_only()
    try:
        if scheduler is None:
            client = distributed.Client(
                n_workers=None if n_jobs < 0 else n_jobs,
                threads_per_worker=1,
                dashboard_address=None,
            )
            if not job.verbose:
                client.run(_be_silent)
        else:
            client = distributed.Client(scheduler, timeout=_TIMEOUT)
    except (OSError, ValueError) as error:
        raise Failure(f"no dask scheduler answers at {scheduler!r}: {error}") from error
    # The job goes to every worker once, not with every chunk.
    with client, parallel_config(backend="dask", n_jobs=-1, scatter=[job]):
        yield


def _log_errors_only() -> None:
    for handler in logging.getLogger("distributed").handlers:
        handler.setLevel(logging.ERROR)


def _be_silent() -> None:
    """Leave Ctrl-C, which reaches all processes on a terminal, to the one that asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _log_errors_only()
