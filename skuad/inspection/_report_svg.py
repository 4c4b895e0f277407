"""Charts of a report: inline SVG, coloured by the page's style sheet."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.utils._typing import Array

_WIDTH, _HEIGHT = 380, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 368, 34, 254
_N_BINS = 30


def curves_svg(
    curves: Sequence[tuple[str, str, Array, Array]],
    *,
    x_label: str,
    y_label: str,
    x_max: float = 1.0,
    label: str,
    diagonal: bool = False,
) -> str:
    """Draw curves over the false-positive rate.

    Parameters
    ----------
    curves : list of (str, str, ndarray, ndarray)
        Class for the style sheet, name for the legend, x and y, both ascending.
    x_label, y_label : str
    x_max : float, default=1.0
        Where the axis ends.
    label : str
        What the chart shows, for those who do not see it.
    diagonal : bool, default=False
        Whether to draw the line of chance, and the point of operation, which the
        page's script moves.

    Returns
    -------
    svg : str
    """
    parts = [_axes(x_label, y_label)]
    for share in np.linspace(0, 1, 6):
        x, y = _LEFT + share * (_RIGHT - _LEFT), _BOTTOM - share * (_BOTTOM - _TOP)
        parts += [_x_tick(x, f"{share * x_max:.2g}"), _y_tick(y, f"{share:.1f}")]
    if diagonal:
        parts.append(_line("chance", _LEFT, _BOTTOM, _RIGHT, _TOP))
    for number, (kind, name, x, y) in enumerate(curves):
        parts.append(f'<polyline class="{kind}" points="{_points(x, y, x_max)}"/>')
        at = _LEFT + 165 * number
        parts.append(_line(kind, at, 14, at + 22, 14))
        parts.append(_text("legend", at + 28, 18, name))
    if diagonal:
        parts.append(f'<circle class="operating" cx="{_LEFT}" cy="{_BOTTOM}" r="5"/>')
    return _svg(label, parts, f'data-box="{_LEFT} {_TOP} {_RIGHT} {_BOTTOM}"')


def _points(x: ArrayLike, y: ArrayLike, x_max: float) -> str:
    """Lay out the vertices of a curve up to x_max, where it is cut."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x[-1] > x_max:
        inside = x <= x_max
        y = np.append(y[inside], np.interp(x_max, x, y))
        x = np.append(x[inside], x_max)
    x = _LEFT + x / x_max * (_RIGHT - _LEFT)
    y = _BOTTOM - y * (_BOTTOM - _TOP)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def histogram_svg(
    scores: NDArray[np.float64], labels: NDArray[np.int64], low: float, high: float
) -> str:
    """Draw how scores are spread: good images above, anomalous ones below.

    Parameters
    ----------
    scores : ndarray of shape (n_images,)
    labels : ndarray of shape (n_images,)
        +1 for good images, -1 for anomalous ones.
    low, high : float
        Ends of the axis; what lies beyond the upper one is counted in the last bar.

    Returns
    -------
    svg : str
        With a line of class "cut", which the page's script moves to the threshold.
    """
    edges = np.linspace(low, high, _N_BINS + 1)
    beyond, shown = scores.max() > high, np.minimum(scores, high)
    counts = {k: np.histogram(shown[labels == k], edges)[0] for k in (1, -1)}
    middle, half = (_TOP + _BOTTOM) / 2, (_BOTTOM - _TOP) / 2 - 14
    parts = [_axes("Anomaly score of the image", "Images", middle=middle)]
    for kind, name, sign in [(1, "good", -1), (-1, "anomalous", 1)]:
        most = max(1, counts[kind].max())
        for (left, right), count in zip(pairwise(edges), counts[kind], strict=True):
            if count:
                x, width = _place(left, low, high), _place(right, low, high)
                height = half * count / most
                top = middle - height if sign < 0 else middle
                end = scores.max() if beyond and right == high else right
                about = f"{count} {name}, score {left:.4g} to {end:.4g}"
                parts.append(
                    f'<rect class="{name}" x="{x:.1f}" y="{top:.1f}" '
                    f'width="{max(width - x - 1, 1):.1f}" height="{height:.1f}">'
                    f"<title>{about}</title></rect>"
                )
        parts.append(_y_tick(middle + sign * half, str(most)))
        edge = _TOP + 2 if sign < 0 else _BOTTOM - 5
        parts.append(_text(f"legend {name}", _RIGHT, edge, name, "end"))
    parts.append(_y_tick(middle, "0"))
    for value in np.linspace(low, high, 5):
        more, at = ("+", "end") if beyond and value == high else ("", "middle")
        parts.append(_x_tick(_place(value, low, high), f"{value:.3g}{more}", at))
    parts.append(_line("cut", _LEFT, _TOP - 8, _LEFT, _BOTTOM))
    parts.append(_text("cut-label", _LEFT, _TOP - 13, "threshold", "middle"))
    label = "Histogram of the scores of good and of anomalous images"
    return _svg(label, parts, f'data-box="{_LEFT} {_TOP} {_RIGHT} {_BOTTOM}"')


def _place(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)


def _svg(label: str, parts: list[str], more: str = "") -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" {more} '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _axes(x_label: str, y_label: str, middle: float = _BOTTOM) -> str:
    across, along = (_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2
    return (
        _line("axis", _LEFT, middle, _RIGHT, middle)
        + _line("axis", _LEFT, _TOP, _LEFT, _BOTTOM)
        + _text("label", across, _HEIGHT - 10, x_label, "middle")
        + f'<g transform="rotate(-90 14 {along})">'
        + _text("label", 14, along, y_label, "middle")
        + "</g>"
    )


def _x_tick(x: float, text: str, anchor: str = "middle") -> str:
    tick = _line("axis", x, _BOTTOM, x, _BOTTOM + 4)
    return tick + _text("tick", x, _BOTTOM + 17, text, anchor)


def _y_tick(y: float, text: str) -> str:
    tick = _line("axis", _LEFT - 4, y, _LEFT, y)
    return tick + _text("tick", _LEFT - 7, y + 4, text, "end")


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{kind}" {ends}/>'


def _text(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'
