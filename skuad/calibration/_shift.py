"""How far scores and embeddings have moved, and which way."""

import numpy as np


def population_stability_index(expected, counts) -> float:
    """Compute the population stability index of counts by bin.

    It is the sum of ``(a - e) * log(a / e)`` over the shares a and e of the bins; half a
    count is added to each so that empty bins give no infinity. By custom, below 0.1 is
    stable and above 0.25 is a shift; by chance alone its mean is about
    ``(bins - 1) * (1 / n + 1 / m)`` for n and m samples.

    Parameters
    ----------
    expected, counts : array-like of shape (n_bins,)
        Counts of the reference and of what is compared.

    Returns
    -------
    psi : float
    """
    expected, counts = (
        np.asarray(item, np.float64) + 0.5 for item in (expected, counts)
    )
    expected, counts = expected / expected.sum(), counts / counts.sum()
    return float(((counts - expected) * np.log(counts / expected)).sum())


def add_moments(n, mean, scatter, vector):
    """Update in place the mean and scatter of n vectors by one more (Welford)."""
    delta = vector - mean
    mean += delta / (n + 1)
    scatter += np.outer(delta, vector - mean)


def standardised(vectors) -> tuple[np.ndarray, np.ndarray]:
    """Mean of vectors, and the standard deviation of each feature (1 if constant)."""
    scale = vectors.std(axis=0)
    return vectors.mean(axis=0), np.where(scale > 0, scale, 1.0)


def mean_shift(mean) -> float:
    """Root mean square over features of a mean, in standard deviations.

    By chance it is about ``sqrt(1 / n + 1 / m)`` for n reference vectors and m others.
    """
    return float(np.sqrt(np.mean(mean**2)))


def covariance_shift(covariance, reference) -> float:
    """Frobenius norm of the change of a covariance, over that of the reference."""
    norm = np.linalg.norm(reference)
    return float(np.linalg.norm(covariance - reference) / norm) if norm else 0.0
