"""Rows of a benchmark: as JSON has them, and their means over categories."""

from functools import partial
from typing import Any, TypeAlias

import numpy as np

#: Columns of a table by name.
Row: TypeAlias = dict[str, Any]

_SUMS = (
    "n_test",
    "n_good",
    "n_anomalous",
    "n_unreadable",
    "n_false_alarms",
    "n_detected",
    "n_train",
)


def to_json(row: Row) -> Row:
    """Return a row with null in place of nan, which JSON has not."""
    return {
        key: None if isinstance(value, float) and np.isnan(value) else value
        for key, value in row.items()
    }


def from_json(row: Row) -> Row:
    """Undo `to_json`."""
    return {
        key: np.nan if value is None and key != "seed" else value
        for key, value in row.items()
    }


def means(rows: list[Row]) -> list[Row]:
    """Return the means over categories, a row for each subset."""
    table = []
    for subset in dict.fromkeys(row["subset"] for row in rows):
        part = [row for row in rows if row["subset"] == subset]
        columns = dict.fromkeys(key for row in part for key in row)
        mean = partial(_mean, part)
        row = {key: mean(key) for key in columns}
        table.append({**row, "category": "mean", "subset": subset})
    return table


def _mean(rows: list[Row], key: str) -> Any:
    values = [row[key] for row in rows if key in row]
    if key in ("category", "subset"):
        return ""
    if key in ("seed", "versions"):
        return values[0] if len(set(values)) == 1 else None
    if key in _SUMS:
        return sum(values)
    values = [value for value in values if not np.isnan(value)]
    if not values:
        return np.nan
    return max(values) if key == "peak_memory_mb" else float(np.mean(values))
