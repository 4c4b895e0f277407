"""skuad infer: scores, decisions and pictures of images."""

import os
from argparse import Namespace
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from skuad.base import detect, final_step
from skuad.cli._console import Console, Failure
from skuad.cli._files import JsonLines, list_images, make_folder, output_names
from skuad.cli._job import Job
from skuad.cli._model import load_estimator, override_tiles
from skuad.cli._parallel import run_in_parallel
from skuad.cli._predictions import Summary, done_before, records_at, write_csv
from skuad.cli._stream import Record
from skuad.cli._watch import stopped_by_signals, watch
from skuad.inference import threshold_of
from skuad.utils import false_alarm_offset
from skuad.utils._text import plural
from skuad.weights import check_weights


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    _check_arguments(args)
    estimator = override_tiles(load_estimator(args.model), args, console)
    check_weights(estimator)  # else every image would fail for the same reason
    paths = [] if args.watch else _images(args)
    make_folder(args.out)
    threshold = threshold_of(estimator)
    if args.calibrate:
        threshold = _calibrated(estimator, args, console)
    job = Job(
        estimator,
        threshold,
        out=os.path.abspath(args.out),
        overlays=args.overlays,
        map_format=args.map_format if args.maps else None,
        verbose=console.verbose,
    )
    predictions = os.path.join(args.out, "predictions.jsonl")
    before = done_before(predictions, threshold) if args.resume else {}
    table = os.path.join(args.out, "predictions.csv")
    with suppress(FileNotFoundError):
        os.remove(table)  # of an earlier run: it is not about these images
    earlier = {} if args.resume else _files_below(args.out, "overlays", "maps")
    summary = Summary(threshold)
    kept = summary.counted(records_at(predictions, before.values()))
    try:
        with JsonLines(predictions, begin_with=kept) as lines:
            done = set(map(os.path.abspath, before))
            look = _watch if args.watch else _look
            for record in summary.counted(look(job, paths, done, args, console)):
                # Last, so that a line stands for an image that is done.
                lines.write(record)
    except KeyboardInterrupt as stop:
        stop.args = ("no image is done",)
        if summary.n_done or summary.n_failed:
            stop.args = (f"what is done is in {predictions}: go on with --resume",)
        raise
    if args.csv:
        write_csv(table, predictions)
    places = [("predictions", predictions)]
    if args.csv:
        places.append(("table", table))
    for name, is_wanted in [("overlays", args.overlays != "none"), ("maps", args.maps)]:
        folder = os.path.join(args.out, name) + os.sep
        if is_wanted and os.path.isdir(folder):  # there may have been nothing to draw
            places.append((name, folder))
    now = _files_below(args.out, "overlays", "maps")
    n_left = sum(now.get(path) == state for path, state in earlier.items())
    if n_left:
        console.warn(
            f"{plural(n_left, 'picture or map', 'pictures and maps')} of an earlier run "
            f"lie in {args.out!r} too: remove them, or choose another folder with --out"
        )
    summary.report(console, n_before=len(before))
    console.facts(places)
    console.give({**summary.results(), **dict(places)})
    return 1 if summary.n_failed else 0


def _files_below(out: str, *names: str) -> dict[str, int]:
    """Return path -> time of change of the files in folders below a folder."""
    found = {}
    for name in names:
        for folder, _, files in os.walk(os.path.join(out, name)):
            for path in (os.path.join(folder, file) for file in files):
                with suppress(FileNotFoundError):  # somebody tidies up
                    found[path] = os.stat(path).st_mtime_ns
    return found


def _check_arguments(args: Namespace) -> None:
    if args.false_alarm_rate is not None and not args.calibrate:
        raise Failure(
            "--false-alarm-rate needs --calibrate GOOD_IMAGES: without them the "
            "threshold is the file's"
        )
    if args.scheduler is not None and args.backend != "dask":
        raise Failure("--scheduler needs --backend dask")
    if args.scheduler is not None and args.jobs is not None:
        raise Failure("--scheduler has workers of its own: leave --jobs out")
    if args.watch and (args.jobs is not None or args.backend is not None):
        raise Failure(
            "--watch takes images as they come: leave --jobs and --backend out"
        )
    for folder in args.images if args.watch else ():
        if not os.path.isdir(folder):
            raise Failure(f"--watch takes folders, and there is no folder {folder!r}")


def _images(args: Namespace) -> list[str]:
    """List the images, without those that an earlier run has written."""
    own = tuple(
        os.path.join(os.path.abspath(args.out), name) + os.sep
        for name in ("overlays", "maps")
    )
    paths = list_images(args.images, recursive=args.recursive)
    paths = [path for path in paths if not os.path.abspath(path).startswith(own)]
    if not paths:
        raise Failure(f"there are no images but those that are in {args.out!r} already")
    return paths


def _calibrated(estimator: Any, args: Namespace, console: Console) -> float:
    """Set the threshold by scores of good images."""
    rate = args.false_alarm_rate or getattr(
        final_step(estimator), "false_alarm_rate", 0.01
    )
    paths = list_images(args.calibrate, recursive=args.recursive)
    results = detect(estimator, paths)
    with console.progress(results, total=len(paths), what="calibrating") as progress:
        scores = [-score for _, score in progress]
    return -false_alarm_offset(scores, rate)


def _look(
    job: Job, paths: list[str], done: Collection[str], args: Namespace, console: Console
) -> Iterator[Record]:
    """Yield the records of images, in their order."""
    items = [
        (path, name)
        for path, name in zip(paths, output_names(paths), strict=True)
        if os.path.abspath(path) not in done
    ]
    if args.jobs in (None, 1) and args.backend is None:
        records = job.run(items)
    else:
        records = run_in_parallel(
            job,
            items,
            n_jobs=args.jobs,
            backend=args.backend or "loky",
            scheduler=args.scheduler,
        )
    with console.progress(total=len(items), what="detecting") as progress:
        for record in records:
            if "error" in record:
                console.fault(record["path"], record["error"])
            yield record
            progress.update()


def _watch(
    job: Job, paths: list[str], done: Collection[str], args: Namespace, console: Console
) -> Iterator[Record]:
    """Yield the records of images as they come, until a signal."""
    if not console.quiet:
        console.tell(f"watching {', '.join(args.images)}; Ctrl-C ends it")
    out = os.path.abspath(args.out)
    with stopped_by_signals() as stopped:
        for items in watch(
            args.images,
            recursive=args.recursive,
            leave_out=[os.path.join(out, name) for name in ("overlays", "maps")],
            done=done,
            stopped=stopped,
        ):
            for record in job.run(items):
                if "error" in record:
                    console.fault(record["path"], record["error"])
                else:
                    console.say(Summary.line(record))
                yield record
