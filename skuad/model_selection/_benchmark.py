"""Benchmarks: one estimator over the categories of a data set, as one table."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone

from skuad.datasets._names import check_name
from skuad.model_selection._benchmark_category import (
    Metrics,
    run_category,
    seed_parameters,
)
from skuad.model_selection._benchmark_data import (
    Category,
    find_categories,
)
from skuad.model_selection._benchmark_errors import (
    BenchmarkError,
    Failure,
    describe_failures,
)
from skuad.model_selection._benchmark_rows import Row, from_json, means, to_json
from skuad.model_selection._benchmark_store import Store, fingerprint, settings_of
from skuad.utils._optional import import_optional
from skuad.utils._progress import listening
from skuad.utils._typing import StrPath


def run_benchmark(
    estimator: Any,
    dataset: str | Mapping[str, Any],
    root: StrPath | None = None,
    categories: str | Sequence[str] | None = None,
    *,
    metrics: str | Sequence[str] | None = None,
    dataset_options: Mapping[str, Any] | None = None,
    out: StrPath | None = None,
    resume: bool = True,
    random_state: int | None = None,
    n_jobs: int | None = None,
    error: str = "collect",
    unreadable: str = "raise",
    observer: Any = None,
    as_frame: bool = False,
    verbose: int = 1,
) -> Any:
    """Fit and measure an estimator on every category of a data set.

    For each category a clone is fitted on the good training images and scores the test
    images one by one: neither images nor maps have to fit in memory. Images without a
    known label are not used. Of data without a split, the last third of the good images
    is held out for the test.

    Parameters
    ----------
    estimator : estimator
        A detector, a pipeline that ends in one, or whatever `skuad.base.detect` takes.
        It is not fitted itself.
    dataset : str, Bunch, or dict of str to Bunch
        The name of a data set as in `skuad.datasets.load_dataset`; what a loader
        returned, of one category or several; or a Bunch for each category. A Bunch
        needs `images` and `target`, and may have `masks`, `split`, `category`,
        `defect_type` and `condition`; or it is one of
        `skuad.datasets.make_defect_images`.
    root : path-like, default=None
        The folder of the data set, if it is given by name.
    categories : str or sequence of str, default=None
        Which categories to run; None for all that are there. Of "image_folder", one
        sub-folder, or "all" of them; None is the folder itself.
    metrics : str or list of str, default=None
        As in `skuad.metrics.make_map_scorer`; ``"seg_f1"``, F1 of the pixels at the
        estimator's own threshold, which makes sense where the score of an image is the
        highest of its map; and for data with saturation thresholds ``"au_spro"``, or
        ``"au_spro@0.3"`` with a limit other than 0.05. None for ``"image_roc_auc"``,
        ``"pixel_roc_auc"``, ``"pixel_average_precision"`` and ``"aupro"``, and those of
        the publisher: ``"au_spro"`` for MVTec LOCO AD, ``"aupro@0.05"`` and
        ``"seg_f1"`` for MVTec AD 2.
    dataset_options : dict, default=None
        Options of the loader, such as ``{"missing_mask": "zero"}``.
    out : path-like, default=None
        A folder for the results, one JSON file per category, each written in one step
        as soon as the category is finished. None stores nothing.
    resume : bool, default=True
        Whether to take the results of categories that are finished from `out`. They
        are recognised by a fingerprint of the estimator's class and parameters, the
        images and masks (path, size and time of change), the metrics, the seed and the
        version of skuad; results of anything else may lie in the same folder.
    random_state : int, default=None
        The seed for every `random_state` of the estimator. None leaves them as they
        are.
    n_jobs : int, default=None
        Number of categories to run at once, see `joblib.Parallel`. Times are worth
        comparing with one job only.
    error : {"collect", "raise"}, default="collect"
        Whether an error in one category is recorded, the others are run, and
        `BenchmarkError` is raised in the end; or it is raised at once.
    unreadable : {"raise", "skip"}, default="raise"
        Whether a test image that cannot be read or scored, because it is damaged, too
        small or of another number of channels, is an error of its category, or is left
        out and counted.
    observer : object, default=None
        Keeps what the table does not: maps, scores of images, fitted estimators. Its
        methods are called with a category, which has `name`, `train`, `test`,
        `target`, `masks`, `kinds` of defects and `unreadable`, a dict of path to
        fault:

        - ``begin(category, estimator)`` before the estimator is fitted;
        - ``scored(category, estimator, index, anomaly_map, score)`` after each test
          image; the time it takes is not counted;
        - ``end(category, estimator)`` before the result is stored, with the category
          without the images that were left out.

        What it raises is an error of the category. With several jobs every category
        has a copy of it in another process. It hears nothing of categories that were
        finished before.
    as_frame : bool, default=False
        Whether to return a pandas DataFrame.
    verbose : int, default=1
        0 shows no progress. There is none either where standard error is no terminal.

    Returns
    -------
    table : list of dict, or DataFrame
        One row per category and subset of its test images, then the means over
        categories, whose `category` is "mean", if there are several. The columns:

        category, subset : str
            The subset is "all"; for MVTec LOCO AD there are also "logical_anomalies"
            and "structural_anomalies", each with the good images, and for data with
            lighting conditions every condition.
        n_test, n_good, n_anomalous : int
            Number of test images, and how many of them are good and anomalous.
        n_unreadable : int
            Number of test images that were left out, see `unreadable`.
        n_false_alarms, n_detected : int
            How many good and how many anomalous images the threshold flags; nan
            without a threshold.
        *metrics* : float
            By their names; nan where one is not defined. In the row "all" of MVTec
            LOCO AD, ``"au_spro"`` is the mean over the two kinds of anomalies.
        threshold : float
            The anomaly score above which an image is flagged; nan without one.
        fit_seconds, ms_per_image : float
            Time for fitting, and for reading and scoring a test image.
        peak_memory_mb : float
            Highest resident memory of the process in fitting and scoring, in 1e6 bytes;
            without that of processes it starts.
        n_train : int
            Number of training images.
        seed : int or None
            `random_state`, or else the estimator's own.
        versions : str
            Of skuad, scikit-learn, NumPy and Python.

        In the rows of means, counts are sums and `peak_memory_mb` is the highest.

    Raises
    ------
    BenchmarkError
        If categories failed; with those errors, and the results of the others.
    ValueError
        If an argument or a category is unknown, or a file in `out` is damaged.

    See Also
    --------
    skuad.datasets.load_dataset : The data sets.
    skuad.metrics.make_map_scorer : The metrics as a scorer for cross-validation.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.model_selection import run_benchmark
    >>> data = {
    ...     texture: make_defect_images(texture, n_train=12, size=64)
    ...     for texture in ("weave", "brushed")
    ... }
    >>> detector = PatchKNN(false_alarm_rate=0.1)
    >>> table = run_benchmark(detector, data, random_state=0)
    >>> [(row["category"], row["n_good"], row["n_anomalous"]) for row in table]
    [('weave', 10, 20), ('brushed', 10, 20), ('mean', 20, 40)]
    """
    check_name(error, ("collect", "raise"), "error")
    check_name(unreadable, ("raise", "skip"), "unreadable")
    if as_frame:
        _pandas()  # before hours of work
    Metrics(metrics)
    store = Store(out)
    model = clone(estimator)
    if random_state is not None:
        seed_parameters(model, random_state)
    tasks: list[_Task] = []
    finished: dict[str, list[Row]] = {}
    errors: dict[str, Failure] = {}
    loaders = find_categories(dataset, root, categories, dataset_options)
    for name, load in loaders.items():
        try:
            category = load()
            chosen = Metrics(metrics, category.dataset or "data", category.saturation)
        except (OSError, ValueError) as fault:
            if error == "raise":
                raise
            errors[name] = Failure.of(fault)
            continue
        key = ""
        if out is not None:
            key = fingerprint(
                model, category, metrics=chosen.names, unreadable=unreadable
            )
            rows = store.read(name, key) if resume else None
            if rows is not None:
                finished[name] = rows
                continue
        tasks.append((category, chosen, key))
    run_one = partial(_run_one, model, store, error, unreadable, observer)
    for name, outcome in _run(run_one, tasks, n_jobs, verbose):
        if isinstance(outcome, Failure):
            errors[name] = outcome
        else:
            finished[name] = outcome
    rows = [from_json(row) for name in loaders for row in finished.get(name, ())]
    rows += means(rows) if len(finished) > 1 else []
    table = _pandas().DataFrame(rows) if as_frame else rows
    if errors:
        raise BenchmarkError(
            describe_failures(errors, loaders, out),
            {name: failure.text for name, failure in errors.items()},
            table,
            {name: failure.reason for name, failure in errors.items()},
        )
    return table


#: A category, its metrics, and the fingerprint of the result, if it is stored.
_Task: TypeAlias = tuple[Category, Metrics, str]
_Outcome: TypeAlias = list[Row] | Failure


def _run(
    run_one: Callable[..., _Outcome],
    tasks: list[_Task],
    n_jobs: int | None,
    verbose: int,
) -> Iterator[tuple[str, _Outcome]]:
    """Yield the name and the rows, or the failure, of each category that ends."""
    from tqdm import tqdm

    n_jobs = min(effective_n_jobs(n_jobs), max(len(tasks), 1))
    total = sum(len(category.target) for category, _, _ in tasks)
    with tqdm(
        total=total,
        desc="benchmark",
        unit=" images",
        dynamic_ncols=True,
        disable=None if verbose else True,  # None: unless it is no terminal
    ) as bar:
        if n_jobs == 1:
            for task in tasks:
                name = task[0].name
                bar.set_postfix_str(name)
                done = bar.n + len(task[0].target)
                with listening(partial(_show_part, bar, name)):
                    outcome = run_one(*task, partial(_show_image, bar, name))
                yield name, outcome
                bar.update(done - bar.n)
            return
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
        run = delayed(_run_named)
        for name, n_images, outcome in parallel(run(run_one, *task) for task in tasks):
            bar.update(n_images)
            yield name, outcome


def _show_part(bar: Any, category: str, part: str, number: int, total: int) -> None:
    bar.set_postfix_str(f"{category}: fitting, {part} {number} of {total}")


def _show_image(bar: Any, category: str) -> None:
    bar.set_postfix_str(category, refresh=False)
    bar.update()


def _run_named(
    run_one: Callable[..., _Outcome], category: Category, metrics: Metrics, key: str
) -> tuple[str, int, _Outcome]:
    return category.name, len(category.target), run_one(category, metrics, key)


def _run_one(
    model: Any,
    store: Store,
    error: str,
    unreadable: str,
    observer: Any,
    category: Category,
    metrics: Metrics,
    key: str,
    on_image: Callable[[], object] | None = None,
) -> _Outcome:
    """Run and store one category; return its rows, or its failure."""
    try:
        rows = run_category(
            clone(model),
            category,
            metrics,
            on_image,
            observer,
            skip=unreadable == "skip",
        )
    except Exception as fault:
        if error == "raise":
            raise
        failure = Failure.of(fault)
        store.write(category.name, key, {"error": failure.text, **_about(model)})
        return failure
    rows = [to_json(row) for row in rows]
    store.write(category.name, key, {"rows": rows, **_about(model)})
    return rows


def _about(model: Any) -> dict[str, Any]:
    return {
        "settings": settings_of(model),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _pandas() -> Any:
    return import_optional("pandas", extra="frame", needed_by="as_frame=True")
