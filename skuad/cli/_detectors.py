"""skuad detectors: what there is, and the parameters of one."""

import inspect
from argparse import Namespace
from typing import Any

from skuad.cli._build import find_detector
from skuad.cli._console import Console
from skuad.detectors import DetectorTags, list_detectors


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    if args.name is not None:
        _show_one(find_detector(args.name), console)
        return 0
    detectors = list_detectors()
    heads = ("detector", "method", "backend", "needs")
    rows = [
        (found.name, found.model or "", found.backend, _needs(found))
        for found in detectors
    ]
    console.table([heads, *rows])
    console.say()
    console.say("`skuad detectors NAME` lists the parameters of one.")
    console.give({found.name: _tags(found) for found in detectors})
    return 0


def _tags(found: DetectorTags) -> dict[str, Any]:
    return {key: getattr(found, key) for key in DetectorTags.KEYS}


def _needs(found: DetectorTags) -> str:
    if found.requires_checkpoint:
        return "a checkpoint"
    if "detector" in _parameters(found.estimator):
        return "a detector"
    needs = ["weights"] if found.weights else []
    return ", ".join(needs if found.zero_shot else [*needs, "good images"])


def _parameters(estimator: type) -> dict[str, str]:
    """Return the parameters of a class with their defaults as text."""
    parameters = inspect.signature(estimator).parameters.values()
    return {
        each.name: "required" if each.default is each.empty else repr(each.default)
        for each in parameters
    }


def _show_one(estimator: type, console: Console) -> None:
    parameters = _parameters(estimator)
    summary = (inspect.getdoc(estimator) or "").partition("\n")[0]
    console.say(f"{estimator.__name__}: {summary}")
    console.say()
    console.table([("parameter", "default"), *parameters.items()])
    console.give(
        {"name": estimator.__name__, "summary": summary, "parameters": parameters}
    )
