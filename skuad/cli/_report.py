"""skuad report: what a benchmark found, as one HTML file."""

import json
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from skuad.cli._console import Console, Failure
from skuad.cli._datasets import find_dataset
from skuad.cli._files import check_out_file, size_of
from skuad.cli._model import load_estimator
from skuad.cli._stream import Record, detect_each
from skuad.datasets import load_dataset
from skuad.datasets._names import nearest_path
from skuad.inspection import CategoryReport, write_report
from skuad.metrics._spool import MapSpool
from skuad.model_selection._benchmark_rows import Row
from skuad.utils._text import plural
from skuad.weights._digest import read_sha256

#: Target, mask and type of defect of images, by absolute path.
_Truth: TypeAlias = dict[str, tuple[int, str, str]]


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    result = _read_result(args.result)
    out = args.out or os.path.join(args.result, "report.html")
    if args.resamples < 0:
        raise Failure(f"--resamples is {args.resamples}: give 0 or more")
    check_out_file(out, example="report.html")
    reports, n_failed = [], 0
    for name, category in result["categories"].items():
        lines = [line for line in result["lines"] if line["category"] == name]
        truth = _find_truth(result["data"], name)
        report, failed = _report(args, name, category, lines, truth, console)
        reports.append(report)
        n_failed += failed
    write_report(out, reports, title=args.title)
    console.facts([("report", f"{out} ({size_of(out)})")])
    console.give({"report": out, "n_failed": n_failed})
    return 1 if n_failed else 0


def _read_result(folder: str) -> dict[str, Any]:
    """Read results.json and predictions.jsonl of a benchmark."""
    path = os.path.join(folder, "results.json")
    if os.path.isfile(folder):
        raise Failure(
            f"{folder!r} is a file: give its folder, {os.path.dirname(folder) or '.'!r}"
        )
    if not os.path.isdir(folder):
        raise Failure(f"there is no folder {folder!r}.{nearest_path(folder)}")
    if not os.path.exists(path):
        raise Failure(
            f"there is no results.json in {folder!r}: `skuad benchmark` or `skuad demo` "
            "writes one when it is finished"
        )
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
        _check_keys(result, {"categories", "data"})
        _check_keys(result["data"], {"name", "root"})
        path = os.path.join(folder, "predictions.jsonl")
        with open(path, encoding="utf-8") as file:
            result["lines"] = [json.loads(line) for line in file]
        for line in result["lines"]:
            _check_keys(line, {"category", "path", "score"})
    except ValueError as error:
        raise Failure(
            f"{path!r} is not what `skuad benchmark` wrote ({error}): run it again"
        ) from error
    return result


def _check_keys(content: Any, keys: set[str]) -> None:
    if not isinstance(content, dict) or not keys <= set(content):
        raise ValueError("it is of something else")


def _find_truth(data: Mapping[str, Any], category: str) -> _Truth:
    """Return target, mask and type of defect of test images, by absolute path."""
    try:
        name = find_dataset(data["name"])
    except ValueError:
        raise Failure(
            f"results.json is of {data['name']!r}, which is no data set"
        ) from None
    if name == "image_folder" and not _is_folder_itself(data["root"], category):
        data = {**data, "root": os.path.join(data["root"], category)}
    chosen = None if name == "image_folder" else category
    found = load_dataset(name, data["root"], chosen, missing_mask="zero")
    columns = (found.target, found.masks, found.defect_type)
    return {
        os.path.abspath(path): (int(target), str(mask), str(kind))
        for path, target, mask, kind in zip(found.images, *columns, strict=True)
    }


def _is_folder_itself(root: str, category: str) -> bool:
    return os.path.basename(os.path.abspath(root)) == category


def _report(
    args: Namespace,
    name: str,
    category: Row,
    lines: Sequence[Record],
    truth: _Truth,
    console: Console,
) -> tuple[CategoryReport, int]:
    """Score the images of a category; return its report and the number of failures."""
    lines = [line for line in lines if line["score"] is not None]
    unknown = [line["path"] for line in lines if _place(line) not in truth]
    if unknown:
        raise Failure(
            f"{len(unknown)} of {len(lines)} test images of {name!r} are not where they "
            f"were, {unknown[0]!r} the first: a report needs them, and is written from "
            "the folder in which the benchmark was run"
        )
    model = os.path.join(args.result, category["model"])
    estimator = load_estimator(model)
    done, scores, changed = [], [], 0
    with (
        MapSpool() as maps,
        console.progress(total=len(lines), what=f"{name}: scoring") as progress,
    ):
        for detection in detect_each(estimator, [ln["path"] for ln in lines], console):
            progress.update()
            if detection.anomaly_map is None or detection.score is None:
                console.fault(detection.path, str(detection.error))
                continue
            line = lines[detection.index]
            done.append(line)
            scores.append(detection.score)
            maps.append(detection.anomaly_map)
            changed += not np.isclose(detection.score, line["score"], rtol=1e-3)
        if not done:
            raise Failure(f"no test image of {name!r} can be read")
        if changed:
            console.warn(
                f"{plural(changed, 'image')} of {name!r} "
                f"{'has another score' if changed == 1 else 'have other scores'} than in "
                "predictions.jsonl: images, model or software have changed since"
            )
        found = [truth[_place(line)] for line in done]
        y_true = [None if target == 1 else mask or -1 for target, mask, _ in found]
        if not any(isinstance(mask, str) for mask in y_true):
            y_true = [target for target, _, _ in found]
        report = CategoryReport.from_predictions(
            [line["path"] for line in done],
            maps,
            y_true,
            scores=scores,
            estimator=estimator,
            name=name,
            types=[kind for _, _, kind in found],
            model=read_sha256(model),
            n_examples=args.examples,
            n_resamples=args.resamples,
        )
    return report, len(lines) - len(done)


def _place(line: Record) -> str:
    return os.path.abspath(line["path"])
