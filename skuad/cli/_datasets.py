"""skuad datasets: what skuad reads, and whether a folder is one of them."""

import os
import warnings
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np

from skuad.cli._console import Console, Failure
from skuad.datasets import list_categories, list_datasets, load_dataset
from skuad.datasets._names import check_name
from skuad.utils._text import plural

DATASETS = {
    {"image_folder": "folder"}.get(name, name): name for name in list_datasets()
}
"""Names on the command line, and those of `skuad.datasets.load_dataset`."""

# These are whole without a category.
_WITHOUT_CATEGORIES = ("elpv", "image_folder")

_HEADS = (
    ("category", "category"),
    ("n_train", "training"),
    ("n_good", "good"),
    ("n_anomalous", "defective"),
    ("n_unlabelled", "unlabelled"),
    ("n_masks", "masks"),
    ("n_without_mask", "without"),
)


def find_dataset(name: str) -> str:
    """Return the name of a data set as `skuad.datasets` has it; both are taken.

    Raises
    ------
    ValueError
        If there is no such data set.
    """
    if name in DATASETS.values():
        return name
    return DATASETS[check_name(name, DATASETS, "data set")]


def wanted_categories(args: Namespace) -> list[str] | None:
    """Return the categories that a command line names; None for data without any.

    Raises
    ------
    Failure
        If it names none, and the data have some.
    ValueError
        If the folder is not one of that data set.
    """
    dataset = find_dataset(args.dataset)
    if args.category is None and dataset not in _WITHOUT_CATEGORIES:
        found = ", ".join(list_categories(dataset, args.root))
        raise Failure(f"give the categories with --category, of: {found}; or all")
    return args.category


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    if args.dataset is None:
        names = {name: list_categories(DATASETS[name]) for name in DATASETS}
        listed = [
            (name, str(len(found) or ""), _first(found))
            for name, found in names.items()
        ]
        console.table([("data set", "n", "categories"), *listed])
        console.say()
        console.say("`skuad datasets DATASET ROOT` checks a folder.")
        console.give(names)
        return 0
    if args.root is None and os.path.isdir(args.dataset):
        raise Failure(
            f"{args.dataset!r} is a folder, and the data set comes first: "
            f"skuad datasets folder {args.dataset}"
        )
    dataset = find_dataset(args.dataset)
    if args.root is None and dataset != "elpv":
        raise Failure(f"give the folder too: skuad datasets {args.dataset} ROOT")
    counts, orphans = _check(dataset, args.root)
    rows = [[str(row[key]) for key, _ in _HEADS] for row in counts]
    console.table([[head for _, head in _HEADS], *rows])
    if dataset == "image_folder":
        for row in counts:
            kinds = (f"{kind or '.'} ({n})" for kind, n in row["defect_types"].items())
            console.say(f"defective in {row['category']}: {', '.join(kinds) or 'none'}")
    missing = sum(row["n_without_mask"] for row in counts)
    for note in orphans:
        console.warn(note)
    if missing and any(row["n_masks"] for row in counts):
        console.warn(
            f"{plural(missing, 'defective image')} without a mask: --missing-mask zero "
            f"keeps {'it' if missing == 1 else 'them'} for image metrics, skip leaves "
            f"{'it' if missing == 1 else 'them'} out"
        )
    console.give({"categories": counts, "warnings": orphans})
    return 0


def _first(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown}, ..." if len(names) > 4 else shown


def _check(dataset: str, root: str | None) -> tuple[list[dict[str, Any]], list[str]]:
    """Count the images of every category; return that, and what there is to say."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        categories = "all" if list_categories(dataset) else None
        data = load_dataset(dataset, root, categories, missing_mask="zero")
    counts = []
    for name in dict.fromkeys(data.category.tolist()):
        here = data.category == name
        target, split = data.target[here], data.split[here]
        masks = data.masks[here] != ""
        good, bad = target == 1, target == -1
        train = good & (split == "train")
        kinds, numbers = np.unique(data.defect_type[here][bad], return_counts=True)
        counts.append(
            {
                "category": name,
                "n_train": int(train.sum()),
                "n_good": int((good & ~train).sum()),
                "n_anomalous": int(bad.sum()),
                "n_unlabelled": int((target == 0).sum()),
                "n_masks": int((bad & masks).sum()),
                "n_without_mask": int((bad & ~masks).sum()),
                "defect_types": dict(
                    zip(kinds.tolist(), numbers.tolist(), strict=True)
                ),
            }
        )
    return counts, [str(w.message) for w in caught if w.category is UserWarning]
