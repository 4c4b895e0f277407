"""Online conformal p-values, and a martingale that bets against their uniformity."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

# Bets: densities on [0, 1] in p. Tilts find a shift of the scores, either way; the
# roots find one fast that puts new scores beyond all known ones; the last two find
# more or less spread.
_N_BETS = 7
# Share of the capital that is dealt out anew with each image, so that bets which lost
# for long can win when a change comes late; 0 is best for a change at the start.
_JUMP_RATES = 0.0, 1e-4, 1e-3, 1e-2
# One row and column for each bet at each rate: how the capital is dealt out.
_DEAL = block_diag(
    *(
        (1 - rate) * np.eye(_N_BETS) + np.full((_N_BETS, _N_BETS), rate / _N_BETS)
        for rate in _JUMP_RATES
    )
)
# Below this a p-value counts as this, where powers are infinite (and pay less then).
_LOWEST = 1e-12


def uniform(seed: int, number: int) -> float:
    """Random number in (0, 1) for a seed and a counter: SplitMix64.

    It needs no state, so that a restored monitor goes on as if it had never stopped.
    """
    mask = 0xFFFFFFFFFFFFFFFF
    z = (seed * 0xD1342543DE82EF95 + (number + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (((z ^ (z >> 31)) >> 11) + 0.5) * 2.0**-53


def ranked_p_value(
    ranked: NDArray[np.float64], n_ranked: int, score: float, tie: float
) -> float:
    """P-value of a score among those so far, which it then joins.

    ``(number lower + tie * number equal) / number``, counting the score itself: for
    exchangeable scores these are independent and uniform (Vovk, Gammerman and Shafer
    2022, theorem 11.1), whatever their law.

    Parameters
    ----------
    ranked : ndarray of float64
        The first `n_ranked` are scores, ascending; there is room for one more.
    n_ranked : int
        Number of scores so far.
    score : float
        Low is anomalous.
    tie : float in (0, 1)
        Random number.

    Returns
    -------
    p_value : float
    """
    known = ranked[:n_ranked]
    low = int(known.searchsorted(score, "left"))
    high = int(known.searchsorted(score, "right"))
    ranked[high + 1 : n_ranked + 1] = ranked[high:n_ranked]
    ranked[high] = score
    return (low + tie * (high - low + 1)) / (n_ranked + 1)


def bets(p_value: float) -> tuple[float, ...]:
    """Payoff of every bet, each of which is 1 on average over a uniform p-value."""
    p = min(max(p_value, _LOWEST), 1 - _LOWEST)
    tilt, spread = 1.6 * p - 0.8, 6 * (p - 0.5) ** 2
    return (
        1.0,
        1 - tilt,
        1 + tilt,
        0.5 / sqrt(p),
        0.5 / sqrt(1 - p),
        0.5 + spread,
        1.5 - spread,
    )


def first_stakes() -> NDArray[np.float64]:
    """Capital of 1, dealt out evenly."""
    return np.full(len(_DEAL), 1 / len(_DEAL))


def play(
    stakes: NDArray[np.float64], p_value: float
) -> tuple[NDArray[np.float64], float]:
    """Bet on a p-value; return the stakes as shares of the capital, and its factor.

    A mixture over how often bets are changed of mixtures over bets: the composite
    jumper of Vovk et al., "Retrain or not retrain: conformal test martingales for
    change-point detection", COPA 2021, with more bets. Its factors are 1 on average for
    uniform p-values. So the capital, from 1, ever reaches c with a probability of at
    most 1 / c (Ville's inequality).
    """
    stakes = _DEAL @ stakes
    stakes *= bets(p_value) * len(_JUMP_RATES)
    factor = float(np.add.reduce(stakes))
    stakes /= factor
    return stakes, factor
