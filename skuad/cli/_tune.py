"""skuad tune: which parameters are best on a data set."""

import os
from argparse import Namespace
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from joblib import Memory, Parallel, delayed
from sklearn.base import clone

from skuad import __version__
from skuad.cli._build import build_estimator
from skuad.cli._console import Console, Failure
from skuad.cli._datasets import find_dataset, wanted_categories
from skuad.cli._files import make_folder, readable_images, write_json
from skuad.cli._fit import fit_on_files
from skuad.cli._grid import as_text, read_grid
from skuad.cli._model import save_estimator
from skuad.datasets import load_dataset
from skuad.metrics import get_map_scorer
from skuad.model_selection import GoodTrainKFold
from skuad.model_selection._benchmark_store import state_of
from skuad.utils._text import plural
from skuad.utils._typing import MasksLike

#: Name of a category, its images and their truth.
_Category: TypeAlias = tuple[str, list[str], list[str | int | None]]

# Combinations that are named on the terminal.
_NAMED = 20


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    wanted = wanted_categories(args)
    candidates = read_grid(args.grid, n_iter=args.n_iter, seed=args.seed or 0)
    estimators = [_threshold_free(args, candidate) for candidate in candidates]
    if args.metric is not None:
        get_map_scorer(args.metric)  # raises if there is none of that name
    categories, n_left_out = _categories(args, wanted, console)
    lacking = [name for name, _, truth in categories if not any(map(_is_mask, truth))]
    metric = args.metric or ("image_roc_auc" if lacking else "aupro")
    if lacking and not metric.startswith("image_"):
        raise Failure(
            f"{metric} takes masks, and {lacking[0]!r} has none: give --metric "
            "image_roc_auc"
        )
    make_folder(args.out)
    cache = make_folder(args.cache or os.path.join(args.out, "cache"))
    console.say(
        f"{plural(len(candidates), 'combination')}, {args.folds} folds of "
        f"{sum(len(paths) for _, paths, _ in categories)} images: {metric}"
    )
    scores = _score_all(estimators, categories, metric, cache, args, console)
    order = np.argsort([-np.mean(row) for row in scores], kind="stable")
    results = [
        {
            "parameters": candidates[i],
            "mean": float(np.mean(scores[i])),
            "std": float(np.std(scores[i])),
            "scores": scores[i],
        }
        for i in order
    ]
    models = _fit_best(args, results[0]["parameters"], categories, console)
    path = os.path.join(args.out, "tune.json")
    content = {
        "metric": metric,
        "folds": args.folds,
        "data": {
            "name": args.dataset,
            "root": args.root,
            "categories": [name for name, _, _ in categories],
        },
        "best": results[0],
        "candidates": results,
        "models": models,
        "versions": {"skuad": __version__},
    }
    write_json(path, as_text(content))
    _show(results, metric, console)
    best = ", ".join(f"{k}={v}" for k, v in as_text(results[0]["parameters"]).items())
    facts = [("best", best), *(("model", model) for model in models)]
    console.facts([*facts, ("results", path)])
    console.give(as_text(content))
    return 1 if n_left_out else 0


def _is_mask(truth: str | int | None) -> bool:
    return isinstance(truth, str)


def _threshold_free(args: Namespace, candidate: dict[str, Any]) -> Any:
    """Make the estimator of a combination; a search needs no thresholds."""
    estimator = build_estimator(args, candidate)
    names = [
        name
        for name in estimator.get_params(deep=True)
        if name.split("__")[-1] == "calibration"
    ]
    return estimator.set_params(**dict.fromkeys(names, None))


def _categories(
    args: Namespace, names: Sequence[str] | None, console: Console
) -> tuple[list[_Category], int]:
    """Return categories, and how many of their images cannot be used.

    Of each the name, the images and their truth, see `map_metrics`.
    """
    wanted: str | Sequence[str] | None = "all" if names == ["all"] else names
    dataset = find_dataset(args.dataset)
    if dataset == "image_folder" and names:
        (wanted, *others) = names
        if others:
            raise Failure("of a folder, --category is one sub-folder, or all")
    data = load_dataset(dataset, args.root, wanted, missing_mask=args.missing_mask)
    found: list[_Category] = []
    n_left_out = 0
    for name in dict.fromkeys(data.category.tolist()):
        here = (data.category == name) & (data.target != 0)
        known = data.images[here].tolist()
        usable = readable_images(known, on_error="skip", console=console)
        n_left_out += len(known) - len(usable)
        here &= np.isin(data.images, usable)
        truth: list[str | int | None] = [
            None if target == 1 else mask or -1
            for target, mask in zip(
                data.target[here], data.masks[here].tolist(), strict=True
            )
        ]
        n_good, n_bad = truth.count(None), len(truth) - truth.count(None)
        if n_good < 2 * args.folds or n_bad < args.folds:
            raise Failure(
                f"{name!r} has {n_good} good and {n_bad} defective images, and "
                f"{args.folds} folds take {2 * args.folds} and {args.folds} or more"
            )
        found.append((name, data.images[here].tolist(), truth))
    return found, n_left_out


def _score_all(
    estimators: list[Any],
    categories: list[_Category],
    metric: str,
    cache: str,
    args: Namespace,
    console: Console,
) -> list[list[float]]:
    """Return the scores of every combination, one per category and fold."""
    score = Memory(cache, verbose=0).cache(score_fold)
    tasks: list[tuple[Any, ...]] = []
    for _, paths, truth in categories:
        files, target = np.array(paths), [1 if y is None else -1 for y in truth]
        folds = list(GoodTrainKFold(args.folds).split(files, target))
        known = target if metric.startswith("image_") else truth
        for train, test in folds:
            y = [known[i] for i in test]
            marks = [state_of(file) for file in [*files[train], *files[test], *y]]
            tasks.append((files[train].tolist(), files[test].tolist(), y, marks))
    calls = [
        (estimator, *task, metric, __version__)
        for estimator in estimators
        for task in tasks
    ]
    total = len(calls)
    n_known = sum(score.check_call_in_cache(*call) for call in calls)
    if n_known:
        console.say(f"{n_known} of {plural(total, 'fold')} from the cache, {cache}")
    parallel = Parallel(n_jobs=args.n_jobs, return_as="generator")
    found = parallel(delayed(score)(*call) for call in calls)
    try:
        with console.progress(found, total=total, what="tuning", unit="fold") as bar:
            flat = list(bar)
    except KeyboardInterrupt as stop:
        stop.args = (f"finished folds are in {cache}: the same command goes on",)
        raise
    return [flat[i : i + len(tasks)] for i in range(0, total, len(tasks))]


def score_fold(
    estimator: Any,
    train: list[str],
    test: list[str],
    y: MasksLike,
    marks: list[Any],
    metric: str,
    version: str,
) -> float:
    """Fit on one fold and measure on the other; what it depends on are arguments.

    Parameters
    ----------
    estimator : estimator
    train, test : list of str
    y : list
        Truth of the test images.
    marks : list
        Sizes and times of change of the files, masks included: not used here, but part
        of what the result is kept under.
    metric : str
    version : str
        Of skuad, for the same reason.
    """
    return float(get_map_scorer(metric)(clone(estimator).fit(train), test, y))


def _fit_best(
    args: Namespace,
    parameters: dict[str, Any],
    categories: list[_Category],
    console: Console,
) -> list[str]:
    """Fit the best combination on all good images, and write it per category."""
    models = []
    for name, paths, truth in categories:
        good = [path for path, y in zip(paths, truth, strict=True) if y is None]
        estimator = build_estimator(args, parameters)
        fit_on_files(
            estimator,
            good,
            console=console,
            n_jobs=args.n_jobs,
            what=f"{name}: fitting",
        )
        path = os.path.join(args.out, "models", f"{name}.joblib")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        save_estimator(estimator, path)
        models.append(path)
    return models


def _show(results: Sequence[dict[str, Any]], metric: str, console: Console) -> None:
    names = list(dict.fromkeys(key for each in results for key in each["parameters"]))
    rows = [
        (
            *(str(each["parameters"].get(name, "")) for name in names),
            f"{each['mean']:.4f}",
            f"{each['std']:.4f}",
        )
        for each in results[:_NAMED]
    ]
    console.say()
    console.table([(*names, metric, "std"), *rows])
    if len(results) > _NAMED:
        console.say(f"... and {len(results) - _NAMED} that are worse")
    console.say()
