"""skuad benchmark: fit and score on the categories of a data set."""

import os

import numpy as np

from skuad.cli._build import build_estimator
from skuad.cli._console import Failure
from skuad.cli._datasets import DATASETS
from skuad.cli._files import JsonLines, make_folder
from skuad.cli._pictures import Overview
from skuad.cli._results import table, write_results
from skuad.cli._scoring import Category, score_category
from skuad.datasets import list_categories, load_dataset
from skuad.datasets._names import check_name
from skuad.io import atomic_path

# "elpv" has no masks and no split of its own.
_DATASETS = {name: known for name, known in DATASETS.items() if name != "elpv"}


def run(args, console) -> int:
    """Run the command; return its exit code."""
    categories = list(_categories(args, console))
    make_folder(args.out)
    data = {"name": args.dataset, "root": args.root}
    results = score_all(categories, args, console, data=data, first="category")
    return 1 if any(result["n_failed"] for result in results.values()) else 0


def score_all(categories, args, console, *, data, first) -> dict:
    """Fit and score every category, print the table and write all results.

    Parameters
    ----------
    categories : list of Category
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
    """
    results = {}
    overview = Overview(os.path.join(args.out, "overview.png"))
    lines = os.path.join(args.out, "predictions.jsonl")
    with atomic_path(lines) as temporary, JsonLines(temporary) as predictions:
        for category in categories:
            results[category.name] = score_category(
                build_estimator(args),
                category,
                out=args.out,
                predictions=predictions,
                overview=overview,
                n_jobs=args.n_jobs,
                console=console,
            )
    path = write_results(
        args.out,
        results,
        command=args.command,
        data=data,
        estimator=build_estimator(args),
        seed=args.seed,
    )
    for line in table(results, first=first):
        console.say(line)
    console.give({"categories": results, "results": path, "predictions": lines})
    console.say()
    sheet = overview.write()
    pictures = os.path.join(args.out, "overlays") + os.sep
    console.facts(
        [
            ("pictures", pictures if sheet is None else f"{sheet} and {pictures}"),
            ("models", os.path.join(args.out, "models") + os.sep),
            ("results", f"{path} and {lines}"),
        ]
    )
    return results


def _categories(args, console):
    """Yield the categories that were asked for, with their images."""
    check_name(args.dataset, _DATASETS, "data set")
    dataset = _DATASETS[args.dataset]
    names = args.category or [None]
    if names == ["all"] and dataset != "image_folder":
        names = list_categories(dataset, args.root)
    for name in dict.fromkeys(names):
        data = load_dataset(dataset, args.root, name, missing_mask=args.missing_mask)
        for category in dict.fromkeys(data.category.tolist()):
            yield _category(category, data, data.category == category, console)


def _category(name, data, chosen, console):
    """Split the images of a category into those to learn from and those to score."""
    good, unknown = data.target == 1, data.target == 0
    is_test = np.char.startswith(data.split, "test")  # one has a "test_public"
    train = (chosen & good & (data.split == "train")).nonzero()[0]
    test = (chosen & ~unknown & is_test).nonzero()[0]
    if not len(train) and not len(test):
        # Neighbouring images are often alike, so the last ones are held out together.
        loose = (chosen & good).nonzero()[0]
        n_train = max(len(loose) - len(loose) // 3, min(len(loose), 2))
        train = loose[:n_train]
        test = [*loose[n_train:], *(chosen & (data.target == -1)).nonzero()[0]]
        console.warn(
            f"{name!r} has no training split: {len(train)} good images are learnt "
            f"from, {len(loose) - len(train)} are held out"
        )
    if not len(train) or not len(test):
        missing = "training" if len(test) else "test"
        raise Failure(f"{name!r} has no {missing} images (with a known label)")
    if (chosen & unknown).any():
        n = int((chosen & unknown).sum())
        console.warn(f"{n} unlabelled image(s) of {name!r} are not scored")
    return Category(
        name=name,
        train=data.images[train].tolist(),
        test=data.images[test].tolist(),
        target=data.target[test].tolist(),
        masks=data.masks[test].tolist(),
        kinds=data.defect_type[test].tolist(),
    )
