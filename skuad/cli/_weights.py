"""skuad weights: files of network weights on this machine."""

from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from skuad.cli._console import Console, Failure
from skuad.weights import (
    WeightsChangedError,
    WeightsRecord,
    add_weights,
    list_weights,
    weights_folders,
)


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    if args.action == "add":
        return _add(args, console)
    if args.file is not None:
        raise Failure(f"`skuad weights {args.action}` takes no file")
    return _show(list_weights(), console, check=args.action == "check")


def _add(args: Namespace, console: Console) -> int:
    if args.file is None:
        raise Failure("`skuad weights add` needs a FILE")
    details = {"licence": args.licence} if args.licence else {}
    record = add_weights(args.file, args.name, sha256=args.sha256, **details)
    console.facts(
        [("name", record.name), ("file", record.path), ("SHA-256", record.sha256)]
    )
    console.give({"name": record.name, "path": record.path, "sha256": record.sha256})
    return 0


def _show(records: Iterable[WeightsRecord], console: Console, *, check: bool) -> int:
    rows: list[tuple[str, ...]] = []
    found: list[dict[str, Any]] = []
    n_damaged = 0
    for record in records:
        state = "recorded" if record.sha256 else "not recorded"
        sha256 = record.sha256
        if check:
            try:
                sha256 = record.check()
                state = "as recorded" if record.sha256 else "readable, not recorded"
            except WeightsChangedError:
                state = "DAMAGED OR REPLACED"
                n_damaged += 1
        shown = (sha256 or "")[:16]
        rows.append((record.name, shown, state, record.licence, record.path))
        found.append({**vars(record), "state": state})
    console.say("Looked for in:")
    for folder in weights_folders():
        console.say(f"  {folder}{'' if folder.is_dir() else ' (not there)'}")
    console.say()
    if rows:
        console.table([("name", "SHA-256", "state", "licence", "file"), *rows])
    else:
        console.say("No weights: `skuad weights add FILE` adds some.")
    console.give({"folders": [str(f) for f in weights_folders()], "weights": found})
    return 1 if n_damaged else 0
