"""skuad fit: from images of good parts to a file."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from joblib import parallel_config

from skuad.base import final_step
from skuad.cli._build import build_estimator
from skuad.cli._console import Console, Failure
from skuad.cli._files import check_out_file, readable_images, size_of
from skuad.cli._good import good_images
from skuad.cli._model import save_estimator
from skuad.inference import threshold_of
from skuad.io import ImageSequence
from skuad.utils import images_needed
from skuad.utils._progress import listening
from skuad.utils._text import plural
from skuad.utils._typing import Array


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    estimator = build_estimator(args)
    paths = good_images(args.images, recursive=args.recursive)
    check_out_file(args.out)
    paths = readable_images(paths, on_error=args.on_error, console=console)
    fit_on_files(estimator, paths, console=console, n_jobs=args.n_jobs)
    save_estimator(estimator, args.out)
    threshold = threshold_of(estimator)
    rate = reached = getattr(final_step(estimator), "false_alarm_rate", None)
    facts: list[tuple[str, object]] = [("images", len(paths))]
    if threshold is None or rate is None:
        facts.append(("threshold", "none" if threshold is None else f"{threshold:.4g}"))
    else:
        facts.append(("threshold", f"{threshold:.4g}"))
        facts.append(("false alarms", supported_rate(len(paths), rate)))
        reached = max(rate, _lowest_rate(len(paths)))
    console.facts([*facts, ("written", f"{args.out} ({size_of(args.out)})")])
    console.give(
        {
            "n_images": len(paths),
            "threshold": threshold,
            "false_alarm_rate": reached,
            "false_alarm_rate_asked_for": rate,
            "written": args.out,
        }
    )
    return 0


def supported_rate(n_images: int, rate: float) -> str:
    """Say what false-alarm rate the threshold stands for."""
    lowest = _lowest_rate(n_images)
    needed = images_needed(rate)
    if n_images >= needed:
        return f"{rate:.2%} of good images ({n_images} images support {lowest:.2%})"
    return (
        f"{lowest:.2%} of good images ({n_images} images support no less; "
        f"{rate:.2%} takes {needed})"
    )


def _lowest_rate(n_images: int) -> float:
    return 1 / (n_images + 1)


def fit_on_files(
    estimator: Any,
    paths: Sequence[str],
    *,
    console: Console,
    n_jobs: int | None = None,
    what: str = "fitting",
) -> Any:
    """Fit an estimator on image files, and show how far that is.

    Returns
    -------
    estimator
        The same, fitted.

    Raises
    ------
    Failure
        If there are too few images for a threshold.
    """
    if len(paths) < 2:
        raise Failure(
            f"{plural(len(paths), 'good image')}, but a threshold takes 2 or more, and a "
            f"false-alarm rate of 1 % takes {images_needed(0.01)}: give more"
        )
    # Images are read more than once where not all patches fit in memory, so how many
    # readings there will be is not known.
    name = type(final_step(estimator)).__name__
    what = f"{what} {name} on {len(paths)} images"
    with console.activity(what, len(paths)) as activity, listening(activity.part):
        images = ImageSequence(paths).then(_Counter(activity.image))
        with _jobs(n_jobs):
            estimator.fit(images)
    return estimator


@contextmanager
def _jobs(n_jobs: int | None) -> Iterator[None]:
    if n_jobs is None:
        yield
    else:
        with parallel_config(n_jobs=n_jobs):
            yield


class _Counter:
    """A step that counts images and changes nothing; it does not count elsewhere."""

    def __init__(self, count: Callable[[], object] | None) -> None:
        self._count = count

    def __call__(self, image: Array) -> Array:
        if self._count is not None:
            self._count()
        return image

    def __getstate__(self) -> dict[str, None]:
        return {"_count": None}
