"""Parameters that are a number, or a range to draw one from."""

from numbers import Integral, Real

from skuad.utils._param_validation import Interval


class NumberOrRange(Interval):
    """Constraint: a number in an interval, or a pair (low, high) of such.

    Parameters
    ----------
    type : {numbers.Real, numbers.Integral}
    left, right : float or None
        Ends of the interval.
    closed : {"left", "right", "both", "neither"}
    """

    def is_satisfied_by(self, val):
        """Whether a value is a number in the interval, or an ordered pair of such."""
        if not isinstance(val, tuple | list):
            return super().is_satisfied_by(val)
        return (
            len(val) == 2
            and all(super(NumberOrRange, self).is_satisfied_by(end) for end in val)
            and val[0] <= val[1]
        )

    def __str__(self):
        return f"{super().__str__()}, or a pair (low, high) of such numbers"


def real(left, right, closed="both"):
    """Constraint on a parameter that is a real number or a range of them."""
    return [NumberOrRange(Real, left, right, closed=closed)]


def integral(left, right, closed="both"):
    """Constraint on a parameter that is an integer or a range of them."""
    return [NumberOrRange(Integral, left, right, closed=closed)]


def draw(value, rng):
    """Return a number as it is; of a pair (low, high), draw one uniformly.

    Both ends of a pair of integers can be drawn.
    """
    if not isinstance(value, tuple | list):
        return value
    low, high = value
    if isinstance(low, Integral) and isinstance(high, Integral):
        return int(rng.integers(low, high, endpoint=True))
    return float(rng.uniform(low, high))
