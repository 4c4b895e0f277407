"""Parameters that are a number, or a range to draw one from."""

from numbers import Integral, Real
from typing import Any, Literal, TypeAlias

import numpy as np

from skuad.utils._param_validation import Interval

#: A number, or the ends (low, high) of a range to draw one from.
NumberRange: TypeAlias = float | tuple[float, float]
IntegerRange: TypeAlias = int | tuple[int, int]

_Closed: TypeAlias = Literal["left", "right", "both", "neither"]


class NumberOrRange(Interval):
    """Constraint: a number in an interval, or a pair (low, high) of such.

    Parameters
    ----------
    type : {numbers.Real, numbers.Integral}
    left, right : float or None
        Ends of the interval.
    closed : {"left", "right", "both", "neither"}
    """

    def is_satisfied_by(self, val: Any) -> bool:
        """Whether a value is a number in the interval, or an ordered pair of such."""
        if not isinstance(val, tuple | list):
            return super().is_satisfied_by(val)
        return (
            len(val) == 2
            and all(super(NumberOrRange, self).is_satisfied_by(end) for end in val)
            and val[0] <= val[1]
        )

    def __str__(self) -> str:
        return f"{super().__str__()}, or a pair (low, high) of such numbers"


def real(
    left: float | None, right: float | None, closed: _Closed = "both"
) -> list[NumberOrRange]:
    """Constraint on a parameter that is a real number or a range of them."""
    return [NumberOrRange(Real, left, right, closed=closed)]


def integral(
    left: int | None, right: int | None, closed: _Closed = "both"
) -> list[NumberOrRange]:
    """Constraint on a parameter that is an integer or a range of them."""
    return [NumberOrRange(Integral, left, right, closed=closed)]


def draw(value: NumberRange, rng: np.random.Generator) -> float:
    """Return a number as it is; of a pair (low, high), draw a real number uniformly."""
    if not isinstance(value, tuple | list):
        return value
    return float(rng.uniform(*value))


def draw_integer(value: IntegerRange, rng: np.random.Generator) -> int:
    """Return an integer as it is; of a pair (low, high), draw one, ends included."""
    if not isinstance(value, tuple | list):
        return value
    return int(rng.integers(*value, endpoint=True))
