"""predictions.jsonl after the fact: what is done, what it says, and as a table."""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from skuad.cli._console import Console, Failure
from skuad.cli._stream import Record
from skuad.io import atomic_path
from skuad.utils._text import plural

# Images with the highest scores that are named on the terminal.
_NAMED = 5

_COLUMNS = ("path", "score", "threshold", "decision", "p_value", "n_regions", "error")


def done_before(path: str, threshold: float | None) -> dict[str, int]:
    """Return the paths of images that an earlier run has finished, and their lines.

    Images that failed are left out, and a last line that was cut off.

    Returns
    -------
    lines : dict of {str: int}
        Numbers of the lines, for `records_at`; of an image with several, the last.

    Raises
    ------
    Failure
        If the lines are of something else, or of another threshold.
    """
    done: dict[str, int] = {}
    for number, line in _whole_lines(path):
        try:
            record = json.loads(line)
            place, other = record["path"], record["threshold"]
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(
                f"{path!r}, line {number}, is not what `skuad infer` wrote: give "
                "another folder with --out, or leave --resume out"
            ) from error
        if "error" in record:
            continue
        same = (
            other is threshold
            if other is None or threshold is None
            else np.isclose(other, threshold, rtol=1e-9, atol=0)
        )
        if not same:
            raise Failure(
                f"{path!r} was written with the threshold {other}, and it is "
                f"{threshold} now: give another folder with --out, or leave --resume out"
            )
        done[place] = number
    return done


def records_at(path: str, numbers: Iterable[int]) -> Iterator[Record]:
    """Yield the records on lines of predictions.jsonl."""
    wanted = set(numbers)
    for number, line in _whole_lines(path):
        if number in wanted:
            yield json.loads(line)


def _whole_lines(path: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that may not be there, numbered from 1."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.endswith("\n"):
                    yield number, line


def write_csv(path: str, predictions: str) -> None:
    """Write the lines of predictions.jsonl as a table, in one step."""
    any_bytes = "surrogateescape"  # may be in names of files
    with (
        open(predictions, encoding="utf-8") as lines,
        atomic_path(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors=any_bytes, newline="") as file,
    ):
        table = csv.DictWriter(file, _COLUMNS, restval="", extrasaction="ignore")
        table.writeheader()
        for line in lines:
            record = json.loads(line)
            regions = record.get("regions")
            record["n_regions"] = None if regions is None else len(regions)
            table.writerow(record)


class Summary:
    """Counts records, and remembers the most anomalous images.

    Parameters
    ----------
    threshold : float or None
    """

    def __init__(self, threshold: float | None) -> None:
        self.threshold = threshold
        self._highest: list[Record] = []
        self.n_done = self.n_flagged = self.n_failed = 0

    def add(self, record: Record) -> None:
        """Count a record."""
        if "error" in record:
            self.n_failed += 1
            return
        self.n_done += 1
        self.n_flagged += record["decision"] == "anomalous"
        self._highest.append(record)
        self._highest.sort(key=lambda record: (-record["score"], record["path"]))
        del self._highest[_NAMED:]

    def counted(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield records, and count them."""
        for record in records:
            self.add(record)
            yield record

    @staticmethod
    def line(record: Record) -> str:
        """Say what was found in an image."""
        decision = record["decision"] or ""
        return f"  {record['score']:8.4g}  {decision:9}  {record['path']}"

    def results(self) -> dict[str, Any]:
        """Return the counts, for machines."""
        return {
            "n_images": self.n_done + self.n_failed,
            "n_anomalous": None if self.threshold is None else self.n_flagged,
            "n_failed": self.n_failed,
            "threshold": self.threshold,
        }

    def report(self, console: Console, *, n_before: int = 0) -> None:
        """Say what was found."""
        if self.n_done and self.threshold is None:
            scored = plural(self.n_done, "image")
            console.say(f"{scored} scored; no threshold, so no decisions")
        elif self.n_done:
            console.say(
                f"{self.n_flagged} of {plural(self.n_done, 'image')} "
                f"{'is' if 1 in (self.n_flagged, self.n_done) else 'are'} anomalous "
                f"(score above {self.threshold:.4g})"
            )
        if n_before:
            were = "was" if n_before == 1 else "were"
            console.say(f"{n_before} of them {were} done before")
        for record in self._highest:
            console.say(self.line(record))
        if self.n_done > len(self._highest):
            console.say(
                f"  ... and {self.n_done - len(self._highest)} with lower scores"
            )
        if self.n_failed:
            console.say(f"{plural(self.n_failed, 'image')} failed")
