"""How false alarms and metrics change with corruptions."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skuad.model_selection import robustness_curve
from skuad.model_selection._robustness import Row, Severities
from skuad.utils._optional import import_optional
from skuad.utils._typing import Array, ImagesLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from typing_extensions import Self


class RobustnessDisplay:
    """False-alarm rate and metrics over the severity of each corruption.

    Make it with `from_estimator`, or from the rows of a result.

    Parameters
    ----------
    rows : list of dict
        As of `skuad.model_selection.robustness_curve` or `robustness_by_condition`.
    metrics : list of str
        Names of the metrics in them.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_quantities, n_corruptions)
        A row for the false-alarm rate and each metric, a column for each corruption;
        one column for all lighting conditions.
    figure_ : matplotlib Figure
        The figure of the axes.

    See Also
    --------
    skuad.model_selection.robustness_curve : The numbers.

    Examples
    --------
    >>> from skuad.augmentation import ExposureShift
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.inspection import RobustnessDisplay
    >>> data = make_defect_images(n_train=20, n_good=4, n_defective=5, size=64)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> display = RobustnessDisplay.from_estimator(
    ...     detector, data.test, data.masks, {"brighter": ExposureShift}, [0.2, 1.0]
    ... )
    >>> display.axes_.shape
    (4, 1)
    """

    axes_: Array
    figure_: "Figure"

    def __init__(self, rows: list[Row], metrics: list[str]) -> None:
        self.rows = rows
        self.metrics = metrics

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ImagesLike,
        y: Any,
        augmenters: Mapping[str, Callable[[float], Any]] | None = None,
        severities: Severities | None = None,
        *,
        figure: "Figure | None" = None,
        **kwargs: Any,
    ) -> "Self":
        """Evaluate a fitted detector, and plot the curves.

        Parameters
        ----------
        estimator, X, y, augmenters, severities
            As in `skuad.model_selection.robustness_curve`.
        figure : matplotlib Figure or None, default=None
            As in `plot`.
        **kwargs
            ``metrics`` of `robustness_curve`.

        Returns
        -------
        display : RobustnessDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            As of `robustness_curve`.
        """
        result = robustness_curve(estimator, X, y, augmenters, severities, **kwargs)
        return cls(result.rows, result.metrics).plot(figure)

    def plot(self, figure: "Figure | None" = None) -> "Self":
        """Draw the curves; a dashed line is the images as they are.

        Parameters
        ----------
        figure : matplotlib Figure or None, default=None
            Where to draw; None makes one.

        Returns
        -------
        self : RobustnessDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plain = [row for row in self.rows if row["corruption"] == "none"]
        curves: dict[str, list[Row]] = {}
        for row in self.rows:
            if row["corruption"] != "none":
                is_condition = np.isnan(row["severity"])
                name = "condition" if is_condition else row["corruption"]
                curves.setdefault(name, []).append(row)
        quantities = ["false_alarm_rate", *self.metrics]
        n_down, n_across = len(quantities), max(1, len(curves))
        if figure is None:
            pyplot = import_optional(
                "matplotlib.pyplot", extra="plot", needed_by=type(self).__name__
            )
            size = (max(4.0, 1.2 + 1.5 * n_across), 0.8 + 1.5 * n_down)
            figure = pyplot.figure(figsize=size, layout="constrained")
        self.figure_ = figure
        self.axes_ = figure.subplots(
            n_down, n_across, sharex="col", sharey="row", squeeze=False
        )
        for axes, quantity in zip(self.axes_, quantities, strict=True):
            axes[0].set_ylabel(_title(quantity))
            axes[0].set_ylim(-0.05, 1.05)
            for ax, (name, rows) in zip(axes, curves.items(), strict=False):
                _draw(ax, name, rows, plain, quantity)
        for ax, name in zip(self.axes_[0], curves, strict=False):
            ax.set_title(name, fontsize="medium")
        figure.supxlabel("Light" if list(curves) == ["condition"] else "Severity")
        return self


def _draw(
    ax: "Axes", name: str, rows: list[Row], plain: list[Row], quantity: str
) -> None:
    values = [row[quantity] for row in rows]
    if name == "condition":
        labels = [row["corruption"] for row in rows]
        ax.plot(range(len(rows)), values, marker="o", linestyle="none")
        ax.set_xticks(range(len(rows)), labels, rotation=90)
        ax.margins(x=0.2)
        return
    ax.plot([row["severity"] for row in rows], values, marker="o", markersize=4)
    for row in plain:
        ax.axhline(row[quantity], color="0.5", linestyle="--", linewidth=1)
    ax.set_xlim(left=0)


def _title(quantity: str) -> str:
    return {
        "false_alarm_rate": "False alarms",
        "image_roc_auc": "Image AUROC",
        "pixel_roc_auc": "Pixel AUROC",
        "aupro": "AUPRO",
    }.get(quantity, quantity)
