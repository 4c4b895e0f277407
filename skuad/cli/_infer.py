"""skuad infer: scores, decisions and pictures of images."""

import os

import numpy as np

from skuad.base import detect
from skuad.cli._console import Failure
from skuad.cli._files import (
    JsonLines,
    list_images,
    make_folder,
    output_names,
    write_array,
)
from skuad.cli._model import final_step, load_estimator, override_tiles
from skuad.cli._pictures import Pictures
from skuad.cli._stream import decide, detect_each
from skuad.inference import threshold_of
from skuad.utils import false_alarm_offset

# Images with the highest scores that are named on the terminal.
_NAMED = 5


def run(args, console) -> int:
    """Run the command; return its exit code."""
    if args.false_alarm_rate is not None and not args.calibrate:
        raise Failure(
            "--false-alarm-rate needs --calibrate GOOD_IMAGES: without them the "
            "threshold is the file's"
        )
    estimator = override_tiles(load_estimator(args.model), args, console)
    paths = list_images(args.images, recursive=args.recursive)
    make_folder(args.out)
    threshold = threshold_of(estimator)
    if args.calibrate:
        threshold = _calibrated(estimator, args, console)
    outputs = _Outputs(args, paths, threshold)
    try:
        with (
            JsonLines(os.path.join(args.out, "predictions.jsonl")) as predictions,
            console.progress(total=len(paths), what="detecting") as progress,
        ):
            for detection in detect_each(estimator, paths, console):
                if detection.error is None:
                    outputs.write(detection)
                else:
                    progress.clear()
                    console.tell(f"error: {detection.path}: {detection.error}")
                    outputs.n_failed += 1
                # Last, so that a line stands for an image that is done.
                predictions.write(detection.record(threshold))
                progress.update()
    except KeyboardInterrupt as stop:
        stop.args = (f"what is done is in {predictions.path}",)
        raise
    outputs.report(predictions.path, console)
    return 1 if outputs.n_failed else 0


def _calibrated(estimator, args, console) -> float:
    """Set the threshold by scores of good images."""
    rate = args.false_alarm_rate or getattr(
        final_step(estimator), "false_alarm_rate", 0.01
    )
    paths = list_images(args.calibrate, recursive=args.recursive)
    results = detect(estimator, paths)
    with console.progress(results, total=len(paths), what="calibrating") as progress:
        scores = [-score for _, score in progress]
    return -false_alarm_offset(scores, rate)


class _Outputs:
    """Maps and pictures of images as asked for, and what there is to say of them."""

    def __init__(self, args, paths, threshold):
        self._names = output_names(paths)
        self._threshold = threshold
        self._maps = os.path.join(args.out, "maps") if args.maps else None
        self._pictures = None
        if not args.no_overlays:
            self._pictures = Pictures(os.path.join(args.out, "overlays"), threshold)
        self._highest = []
        self.n_done = self.n_flagged = self.n_failed = 0

    def write(self, detection):
        """Write what belongs to an image that did not fail."""
        name = self._names[detection.index]
        if self._maps is not None:
            path = os.path.join(self._maps, f"{name}.npy")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_array(path, detection.anomaly_map.astype(np.float32, copy=False))
        if self._pictures is not None:
            self._pictures.write(name, detection)
        self.n_done += 1
        self.n_flagged += decide(detection.score, self._threshold) == "anomalous"
        self._highest.append((-detection.score, detection.path))
        self._highest = sorted(self._highest)[:_NAMED]

    def report(self, predictions, console):
        """Say what was found, and where it is."""
        if self._threshold is None:
            console.say(f"{self.n_done} images scored; no threshold, so no decisions")
        else:
            console.say(
                f"{self.n_flagged} of {self.n_done} images are anomalous "
                f"(score above {self._threshold:.4g})"
            )
        for score, path in self._highest:
            decision = decide(-score, self._threshold) or ""
            console.say(f"  {-score:8.4g}  {decision:9}  {path}")
        if self.n_done > len(self._highest):
            console.say(
                f"  ... and {self.n_done - len(self._highest)} with lower scores"
            )
        if self.n_failed:
            console.say(f"{self.n_failed} images failed")
        places = [("predictions", predictions)]
        if self._pictures is not None and self.n_done:
            places.append(("overlays", self._pictures.folder + os.sep))
        if self._maps is not None and self.n_done:
            places.append(("maps", self._maps + os.sep))
        console.facts(places)
