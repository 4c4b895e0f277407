"""What the program says: results on stdout; errors, warnings and progress on stderr."""

import errno
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from math import isfinite
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

# How the library names its options, and how the command line does.
_IN_SHELL_TERMS = (
    (r" Replace or remove it; select_readable\(.*", ""),
    (r"which recursive=True searches", "which --recursive searches"),
    (r"\bmissing_mask='(\w+)'", r"--missing-mask \1"),
    (r", or pass calibration=None for maps and scores without a threshold", ""),
    (r"(?<!, )\bmax_patches\b(?!,)", "--max-patches"),  # not in a list of parameters
    (r"give good='\.' if they are good", "move them into a folder 'good' in it"),
    (r"\. Say which hold good images: good='\.\.\.'", ""),
    (r"^\[Errno \d+\] ", ""),
)

# Seconds after which it is said anew how far something is: on a terminal, in a log.
_REFRESH, _EVERY = 0.5, 30

# Of the whole disk, and of what is allowed to a user.
_FULL = (errno.ENOSPC, errno.EDQUOT)

# Errors of these types are about the user's data or machine; their text says it all.
_EXPECTED = (ValueError, OSError, ImportError)


class Failure(Exception):
    """An error that the user can mend; its text says how."""


def plain(value: Any) -> Any:
    """Turn NumPy's numbers into Python's, and those that are not finite into None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # a number of NumPy, which is not imported here
        value = value.item()
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value


def one_line(text: object) -> str:
    """Put a message of the library on one line, in the terms of the command line."""
    line = "; ".join(part.strip() for part in str(text).splitlines() if part.strip())
    line = line.replace(":; ", ": ").replace(".; ", ". ")
    for pattern, replacement in _IN_SHELL_TERMS:
        line = re.sub(pattern, replacement, line)
    return line.rstrip(".")


def error_line(error: BaseException) -> str:
    """Describe an error on one line."""
    if isinstance(error, MemoryError):
        return (
            f"out of memory ({one_line(error) or 'no details'}): work on tiles with "
            "--tile-size, or fit with a lower --max-patches"
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        file = f" ({error.filename!r})" if error.filename else ""
        return f"{error.strerror}{file}: make room, or choose another place with --out"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}: {error.filename!r}"
    if isinstance(error, (Failure, *_EXPECTED)):
        return one_line(error)
    name = type(error).__name__
    return f"unexpected {name}: {one_line(error)} (-v shows where)"


class Activity:
    """How far something is of which nobody knows how long it takes.

    Parameters
    ----------
    what : str
        What is being done.
    n_images : int
        How many images it is done with; they may be read more than once.
    """

    def __init__(self, what: str, n_images: int) -> None:
        self.what = what
        self.n_images = n_images
        self._n_read = 0
        self._part = ""
        self._begun = monotonic()

    def image(self) -> None:
        """Take notice that an image is read."""
        self._n_read += 1

    def part(self, name: str, number: int, total: int) -> None:
        """Take notice that a part begins; from then on images are not counted."""
        self._part = f"{name} {number} of {total} of the calibration"

    def __str__(self) -> str:
        state = self._part
        if not state and self._n_read:
            before, image = divmod(self._n_read - 1, self.n_images)
            state = f"image {image + 1} of {self.n_images}"
            state += f" in pass {before + 1}" if before else ""
        minutes, seconds = divmod(int(monotonic() - self._begun), 60)
        return f"{self.what}: {state or 'begins'} ({minutes:02}:{seconds:02})"


class Console:
    """Prints, in one style.

    Parameters
    ----------
    quiet : bool, default=False
        No progress bars.
    verbose : bool, default=False
        Tracebacks of errors, and warnings of other libraries.
    json : bool, default=False
        Results are one line of JSON, and nothing else is on stdout.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, json: bool = False
    ) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.json = json
        self._warned: set[str] = set()

    def say(self, text: str = "") -> None:
        """Print a line of results, for people."""
        if not self.json:
            print(text, flush=True)

    def give(self, results: Mapping[str, Any]) -> None:
        """Print results for machines, if they are asked for."""
        if self.json:
            print(json.dumps(plain(results), sort_keys=True), flush=True)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Print rows of text in aligned columns, the first one as headings."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in [rows[0], ["-" * width for width in widths], *rows[1:]]:
            cells = (c.ljust(w) for c, w in zip(row, widths, strict=True))
            self.say("  ".join(cells).rstrip())

    def facts(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print aligned pairs of a name and what there is to say of it."""
        lines = [(name, str(text)) for name, text in pairs]
        width = max(len(name) for name, _ in lines)
        for name, text in lines:
            self.say(f"{name.ljust(width)}  {text}")

    def tell(self, text: str) -> None:
        """Print a line that is no result, in place of a progress bar if there is one."""
        tqdm = sys.modules.get("tqdm")  # else there is no bar
        with tqdm.tqdm.external_write_mode(sys.stderr) if tqdm else nullcontext():
            print(f"skuad: {text}", file=sys.stderr, flush=True)

    def fault(self, name: str, text: str) -> None:
        """Print what is wrong with one of many, which does not end the run."""
        self.tell(f"error: {name}: {text}")

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.tell(f"warning: {text}")

    def progress(
        self,
        iterable: Iterable[Any] | None = None,
        *,
        total: int | None = None,
        what: str = "",
        unit: str = "image",
        **layout: Any,
    ) -> "tqdm[Any]":
        """Make a progress bar, which shows on a terminal only.

        Parameters
        ----------
        iterable : iterable or None, default=None
            What to count; None for a bar that is updated by hand.
        total : int or None, default=None
            How many there will be, if `iterable` does not know.
        what : str
            What is being done.
        unit : str
            What is counted.
        **layout
            Further options of tqdm.

        Returns
        -------
        tqdm
        """
        from tqdm import tqdm

        return tqdm(
            iterable,
            total=total,
            desc=what,
            unit=f" {unit}s",
            leave=False,
            dynamic_ncols=True,
            disable=self.quiet or not sys.stderr.isatty(),
            **layout,
        )

    @contextmanager
    def activity(self, what: str, n_images: int) -> Iterator[Activity]:
        """Show that something of unknown length goes on: what it is at, and a clock.

        Where there is no terminal, a line says what begins, and another one now and
        then how far it is.

        Parameters
        ----------
        what : str
            What is being done.
        n_images : int
            How many images it is done with.

        Yields
        ------
        Activity
            To be told what goes on.
        """
        activity, finished = Activity(what, n_images), Event()
        with self.progress(bar_format="{desc}") as bar:
            if bar.disable and not self.quiet:
                self.tell(what)

            def show() -> None:
                while not finished.wait(_EVERY if bar.disable else _REFRESH):
                    line = str(activity)
                    if bar.disable:
                        self.tell(line)
                    else:  # what is longer than the screen is wide cannot be cleared
                        bar.set_description_str(line[: (bar.ncols or 80) - 1])

            clock = Thread(target=show, daemon=True)
            if not self.quiet:
                clock.start()
            try:
                yield activity
            finally:
                finished.set()
                if clock.is_alive():
                    clock.join()

    @contextmanager
    def warnings_in_one_line(self) -> Iterator[None]:
        """Print warnings as one line each, and the same one only once."""
        with warnings.catch_warnings():
            self.take_warnings()
            yield

    def take_warnings(self) -> None:
        """Print warnings so from now on, which is for processes of our own."""

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            ours = issubclass(category, UserWarning | RuntimeWarning)
            text = one_line(message)
            # The same fault of another image is no news.
            key = re.sub(r"^image \d+ \(.*?\) ", "", text)
            if (ours or self.verbose) and key not in self._warned:
                self._warned.add(key)
                self.warn(text)

        warnings.simplefilter("always")
        warnings.showwarning = show
