"""Area under the per-image overlap curve (AUPIMO)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skuad.metrics._evidence import Evidence
from skuad.metrics._pixel import warn_undefined
from skuad.metrics._samples import Samples, collect_evidence
from skuad.utils._typing import Array, MapsLike, MasksLike

FPR_BOUNDS = (1e-5, 1e-4)


def aupimo_score(
    y_true: MasksLike,
    maps: MapsLike,
    *,
    fpr_bounds: tuple[float, float] = FPR_BOUNDS,
    average: str | None = "mean",
    snap: bool = False,
    ignore: MasksLike | None = None,
) -> float | NDArray[np.float64]:
    """Area under the per-image overlap curve between two false-positive rates.

    For every anomalous image: what part of its anomalous pixels is found, averaged
    over the logarithm of the false-positive rate between the bounds. The rate is that
    of the pixels of the normal images alone [1]_. Exact: the curve is the step
    function of all distinct scores, integrated up to the bounds themselves.

    Parameters
    ----------
    y_true, maps, ignore
        As in `pixel_roc_auc_score`.
    fpr_bounds : tuple of two floats, default=(1e-5, 1e-4)
        Lower and upper bound, ``0 < lower < upper <= 1``. With fewer than ``1 /
        upper`` normal pixels, one false alarm leaves the range, and the score of an
        image is the share of its pixels above all normal pixels.
    average : {"mean"} or None, default="mean"
        None gives one score per image, nan for normal images.
    snap : bool, default=False
        Whether to move each bound to the nearest rate that some threshold attains,
        but to divide by the logarithm of the ratio of the given bounds, as the
        published toolkit does. That biases the score, the more the fewer the normal
        pixels; use it to compare with published figures only.

    Returns
    -------
    score : float or ndarray of shape (n,)
        In [0, 1]; nan if there is no normal image or no anomalous image.

    Raises
    ------
    ValueError
        As in `pixel_roc_auc_score`, or if `fpr_bounds` or `average` is invalid.

    References
    ----------
    .. [1] J. P. C. Bertoldo, D. Ameln, A. Vaidya and S. Akçay, "AUPIMO: Redefining
       Visual Anomaly Detection Benchmarks with High Speed and Low Tolerance", British
       Machine Vision Conference, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.metrics import aupimo_score
    >>> normal = np.linspace(0, 1, 100).reshape(10, 10)
    >>> defective = np.full((10, 10), 0.5)
    >>> mask = np.zeros((10, 10), bool)
    >>> mask[0, :4] = True
    >>> defective[0, :4] = [2, 0.97, 0.93, 0.1]
    >>> aupimo_score([None, mask], [normal, defective], fpr_bounds=(0.01, 0.1))
    0.419...
    """
    lower, upper = check_bounds(fpr_bounds)
    if average not in ("mean", None):
        raise ValueError(f"average is {average!r}; it must be 'mean' or None.")
    samples = Samples(y_true, maps, ignore)
    evidence = collect_evidence(samples, separate_good=True)
    limits = (lower, upper)
    if snap and evidence.n_good:
        rates = attainable_rates(samples, evidence, upper)
        limits = tuple(rates[np.argmin(np.abs(rates - bound))] for bound in limits)
    per_image = aupimo_per_image(evidence, limits, np.log(upper / lower))
    if average is None:
        return per_image
    return float(np.nanmean(per_image)) if np.isfinite(per_image).any() else np.nan


def check_bounds(fpr_bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the two bounds, or raise unless they are in order."""
    lower, upper = fpr_bounds
    if not 0 < lower < upper <= 1:
        raise ValueError(
            f"fpr_bounds is {fpr_bounds!r}; it must be 0 < lower < upper <= 1."
        )
    return lower, upper


def aupimo_per_image(
    evidence: Evidence, limits: tuple[float, float], divisor: float
) -> NDArray[np.float64]:
    """Return the score of every image, nan where it is not defined.

    Parameters
    ----------
    evidence : Evidence
        With the good images counted apart.
    limits : tuple of two floats
        False-positive rates to integrate between.
    divisor : float
        What the integral over the logarithm of the rate is divided by.
    """
    scores = np.full(len(evidence.is_good), np.nan)
    if not (evidence.n_good and len(evidence.groups)):
        missing = "anomalous pixel" if evidence.n_good else "normal image"
        warn_undefined("AUPIMO", missing)
        return scores
    lower, upper = limits
    rate = np.maximum(evidence.good_at_least() / evidence.n_good, lower)
    found = np.maximum(np.log(upper / rate) / divisor, 0)[evidence.groups]
    images = evidence.anomalies.pixel_images()
    total = np.bincount(images, weights=found, minlength=len(scores))
    n_pixels = np.bincount(images, minlength=len(scores))
    np.divide(total, n_pixels, out=scores, where=n_pixels > 0)
    return np.minimum(scores, 1)  # snapped limits may lie outside the bounds


def attainable_rates(
    samples: Samples, evidence: Evidence, upper: float
) -> NDArray[np.float64]:
    """Return the false-positive rates of thresholds, up to the first above `upper`.

    Only the highest scores of the good images matter; those are kept.
    """
    n_top = int(np.ceil(upper * evidence.n_good)) + 1
    pixels = _pixels_of_good_images(samples, evidence)
    highest = _highest(next(pixels), n_top)
    for values in pixels:
        if len(highest) >= n_top:
            values = values[values >= highest.min()]
        highest = _highest(np.append(highest, values), n_top)
    counts = np.unique(highest, return_counts=True)[1]
    return np.cumsum(counts[::-1]) / evidence.n_good


def _pixels_of_good_images(samples: Samples, evidence: Evidence) -> Iterator[Array]:
    for index, is_good in enumerate(evidence.is_good):
        if is_good:
            values, ignored = samples.maps[index], samples.ignored(index)
            yield values.ravel() if ignored is None else values[~ignored]


def _highest(values: Array, n_top: int) -> Array:
    """Return the highest values, with all that tie at the cut."""
    if len(values) <= n_top:
        return values
    cut = np.partition(values, len(values) - n_top)[len(values) - n_top]
    return values[values >= cut]
