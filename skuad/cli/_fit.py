"""skuad fit: from images of good parts to a file."""

from contextlib import contextmanager

from joblib import parallel_config

from skuad.cli._console import Failure
from skuad.cli._files import check_out_file, list_images, readable_images, size_of
from skuad.cli._model import build_estimator, threshold_of
from skuad.io import ImageSequence, dump_atomically
from skuad.utils import images_needed


def run(args, console) -> int:
    """Run the command; return its exit code."""
    estimator = build_estimator(args)
    paths = list_images(args.images, recursive=args.recursive)
    check_out_file(args.out)
    paths = readable_images(paths, on_error=args.on_error, console=console)
    fit_on_files(estimator, paths, console=console, n_jobs=args.n_jobs)
    dump_atomically(estimator, args.out)
    console.facts(
        [
            ("images", len(paths)),
            ("threshold", f"{threshold_of(estimator):.4g}"),
            ("false alarms", supported_rate(len(paths), args.false_alarm_rate)),
            ("written", f"{args.out} ({size_of(args.out)})"),
        ]
    )
    return 0


def supported_rate(n_images, rate) -> str:
    """Say what false-alarm rate the threshold stands for."""
    lowest = 1 / (n_images + 1)
    needed = images_needed(rate)
    if n_images >= needed:
        return f"{rate:.2%} of good images ({n_images} images support {lowest:.2%})"
    return (
        f"{lowest:.2%} of good images ({n_images} images support no less; "
        f"{rate:.2%} takes {needed})"
    )


def fit_on_files(estimator, paths, *, console, n_jobs=None, what="fitting"):
    """Fit an estimator on image files, with a count of the images that were read.

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
            f"{len(paths)} good image(s), but a threshold takes 2 or more, and a "
            f"false-alarm rate of 1 % takes {images_needed(0.01)}: give more"
        )
    # Images are read more than once where not all patches fit in memory, so how many
    # readings there will be is not known.
    with console.activity(what) as count:
        images = ImageSequence(paths).then(_Counter(count))
        with _jobs(n_jobs):
            estimator.fit(images)
    return estimator


@contextmanager
def _jobs(n_jobs):
    if n_jobs is None:
        yield
    else:
        with parallel_config(n_jobs=n_jobs):
            yield


class _Counter:
    """A step that counts images and changes nothing; it does not count elsewhere."""

    def __init__(self, count):
        self._count = count

    def __call__(self, image):
        if self._count is not None:
            self._count()
        return image

    def __getstate__(self):
        return {"_count": None}
