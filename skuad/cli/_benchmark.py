"""skuad benchmark: fit and score on the categories of a data set."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from joblib import parallel_config

from skuad.cli._benchmark_outputs import FOLDER, Outputs, write_overview
from skuad.cli._build import build_estimator
from skuad.cli._console import Console, Failure, one_line
from skuad.cli._datasets import find_dataset, wanted_categories
from skuad.cli._files import make_folder
from skuad.cli._results import results_of, table, write_results
from skuad.datasets import list_categories, load_dataset
from skuad.model_selection import BenchmarkError, run_benchmark
from skuad.model_selection._benchmark_data import by_category, make_category
from skuad.model_selection._benchmark_rows import Row
from skuad.utils._text import plural


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    categories = _categories(args, console)
    make_folder(args.out)
    data = {"name": args.dataset, "root": args.root}
    results, failed = score_all(categories, args, console, data=data, first="category")
    return 1 if failed or any(found["n_failed"] for found in results.values()) else 0


def score_all(
    categories: Mapping[str, Any],
    args: Namespace,
    console: Console,
    *,
    data: dict[str, Any],
    first: str,
) -> tuple[dict[str, Row], dict[str, str]]:
    """Fit and score every category, print the table and write all results.

    Parameters
    ----------
    categories : dict of str to Bunch
        As `skuad.model_selection.run_benchmark` takes them.
    args : Namespace
        With the arguments of the detector and `out`.
    console : Console
    data : dict
        What the images are, for results.json.
    first : str
        What a category is called.

    Returns
    -------
    results : dict of {str: dict}
        By category.
    failed : dict of {str: str}
        What is wrong with the others.

    Raises
    ------
    Failure
        If there are no results.
    """
    estimator = build_estimator(args)
    outputs = Outputs(args.out, console)
    outputs.forget_all_but_whole(categories)
    rows, failed = _run(estimator, categories, outputs, args, console)
    results, mean = results_of(rows)
    lines = outputs.join(results)
    path = write_results(
        args.out,
        results,
        mean,
        failed,
        command=args.command,
        data=data,
        estimator=estimator,
        seed=args.seed or 0,
    )
    for line in table(results, mean, first=first):
        console.say(line)
    if any(_lacks_masks(found) for found in results.values()):
        console.say("-: there are no masks of the defects, so no metrics of pixels")
    console.give(
        {
            "categories": results,
            "failed": failed,
            "results": path,
            "predictions": lines,
        }
    )
    console.say()
    sheet = write_overview(args.out, lines)
    pictures = os.path.join(args.out, "overlays") + os.sep
    console.facts(
        [
            ("pictures", pictures if sheet is None else f"{sheet} and {pictures}"),
            ("models", os.path.join(args.out, "models") + os.sep),
            ("results", f"{path} and {lines}"),
        ]
    )
    return results, failed


def _lacks_masks(found: Row) -> bool:
    metric = found.get("pixel_roc_auc")
    return bool(found["n_anomalous"]) and (metric is None or np.isnan(metric))


def _run(
    estimator: Any,
    categories: Mapping[str, Any],
    outputs: Outputs,
    args: Namespace,
    console: Console,
) -> tuple[list[Row], dict[str, str]]:
    """Run the benchmark; return its rows, and what is wrong with other categories."""
    failed: dict[str, str] = {}
    try:
        # Processes take a category each; of a single one, parts of the calibration.
        with parallel_config(n_jobs=args.n_jobs or 1):
            rows = run_benchmark(
                estimator,
                categories,
                out=os.path.join(args.out, FOLDER),
                resume=not args.no_resume,
                unreadable="skip",
                observer=outputs,
                verbose=0 if console.quiet else 1,
            )
    except BenchmarkError as error:
        rows, failed = error.results, error.reasons
        if console.verbose:
            print(*error.errors.values(), sep="\n", file=sys.stderr)
        if not rows and len(failed) == 1:
            raise Failure(one_line(*failed.values())) from error
        for name, reason in failed.items():
            console.fault(name, one_line(reason))
        if not rows:
            raise Failure(f"none of the {len(failed)} categories is done") from error
    except KeyboardInterrupt as stop:
        if not args.no_resume:
            stop.args = ("finished categories are kept: the same command goes on",)
        raise
    return rows, failed


def _categories(args: Namespace, console: Console) -> dict[str, Any]:
    """Return the data of the categories that were asked for."""
    dataset = find_dataset(args.dataset)
    names: Sequence[str | None] = wanted_categories(args) or [None]
    if names == ["all"] and dataset != "image_folder":
        names = list_categories(dataset, args.root)
    categories: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        data = load_dataset(dataset, args.root, name, missing_mask=args.missing_mask)
        categories.update(by_category(data))
    for name, data in categories.items():
        _tell_of(name, data, console)
    return categories


def _tell_of(name: str, data: Mapping[str, Any], console: Console) -> None:
    """Say what is made of images without a split, or without a label.

    Raises
    ------
    ValueError
        If there is nothing to learn from, or nothing to score.
    """
    category = make_category(name, data)
    target, split = np.asarray(data["target"]), np.asarray(data["split"])
    if not np.isin(split, ["train", "test", "test_public"]).any():
        n_good = int((category.target == 1).sum())
        console.warn(
            f"{name!r} has no training split: "
            f"{plural(len(category.train), 'good image')} to learn from, {n_good} held out"
        )
    n_unknown = int((target == 0).sum())
    if n_unknown:
        verb = "is" if n_unknown == 1 else "are"
        unlabelled = plural(n_unknown, "unlabelled image")
        console.warn(f"{unlabelled} of {name!r} {verb} not scored")
