"""Categories of a benchmark that failed."""

import traceback
from collections.abc import Collection
from typing import Any, NamedTuple

from skuad.utils._typing import StrPath


class BenchmarkError(RuntimeError):
    """Some categories of a benchmark failed; the others were finished.

    Parameters
    ----------
    message : str
        What `str` of the error gives.
    errors : dict of str to str
        The traceback of each category that failed.
    results : list of dict, or DataFrame
        What `run_benchmark` would have returned, of the others.
    reasons : dict of str to str
        What the exception of each category says; with its type, unless that is a
        ValueError, OSError or ImportError.

    Attributes
    ----------
    errors, results, reasons
        As given.
    """

    def __init__(
        self,
        message: str,
        errors: dict[str, str] | None = None,
        results: Any = None,
        reasons: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.errors = errors or {}
        self.results = results
        self.reasons = reasons or {}


class Failure(NamedTuple):
    """What a process can tell of an exception to another."""

    summary: str
    reason: str
    text: str

    @classmethod
    def of(cls, fault: Exception) -> "Failure":
        """Take an exception down."""
        name, reason = type(fault).__name__, str(fault)
        first = next(iter(reason.splitlines()), "")
        if not isinstance(fault, ValueError | OSError | ImportError):
            reason = f"{name}: {reason}"
        text = "".join(traceback.format_exception(fault))
        return cls(f"{name}: {first}", reason, text)


def describe_failures(
    errors: dict[str, Failure], names: Collection[str], out: StrPath | None
) -> str:
    """Return the message of a `BenchmarkError`."""
    lines = [f"{len(errors)} of {len(names)} categories failed:"]
    lines += [f"{name!r}: {failure.summary}" for name, failure in errors.items()]
    kept = "in the `results` of this error"
    kept += "" if out is None else f", and in {out!r}: a second call runs the rest"
    return "\n".join(
        [*lines, f"The tracebacks are in `errors`; the others are {kept}."]
    )
