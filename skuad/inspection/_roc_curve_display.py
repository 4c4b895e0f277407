"""ROC curve of anomaly maps, drawn in scikit-learn's manner."""

from typing import TYPE_CHECKING, Any

from skuad.inspection._curves import (
    FromEstimatorMixin,
    add_legend,
    curve_label,
    draw_curve,
)
from skuad.metrics import pixel_roc_auc_score, pixel_roc_curve
from skuad.utils._typing import Array, MapsLike, MasksLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from typing_extensions import Self


class PixelRocCurveDisplay(FromEstimatorMixin):
    """ROC curve over all pixels of all images.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    fpr, tpr : ndarray of shape (n_points,)
        False- and true-positive rate, ascending.
    roc_auc : float or None, default=None
        Area under the curve, for the legend.
    name : str or None, default=None
        Name of the detector, for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the curve is.
    figure_ : matplotlib Figure
        The figure of the axes.
    line_ : matplotlib Line2D
        The curve.
    chance_level_ : matplotlib Line2D or None
        The diagonal, if drawn.

    See Also
    --------
    ProCurveDisplay : The same for overlap by region.
    skuad.metrics.pixel_roc_curve : The curve as numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.inspection import PixelRocCurveDisplay
    >>> mask, anomaly_map = np.array([[0, 0, 1, 1]]), np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> display = PixelRocCurveDisplay.from_predictions([mask], [anomaly_map])
    >>> display.roc_auc
    0.75
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    line_: "Line2D"
    chance_level_: "Line2D | None"

    def __init__(
        self,
        *,
        fpr: Array,
        tpr: Array,
        roc_auc: float | None = None,
        name: str | None = None,
    ) -> None:
        self.fpr = fpr
        self.tpr = tpr
        self.roc_auc = roc_auc
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: MasksLike,
        maps: MapsLike,
        *,
        ignore: MasksLike | None = None,
        max_points: int | None = 1000,
        name: str | None = None,
        ax: "Axes | None" = None,
        **kwargs: Any,
    ) -> "Self":
        """Plot the curve of anomaly maps.

        Parameters
        ----------
        y_true, maps, ignore : array-like
            As in `skuad.metrics.pixel_roc_auc_score`.
        max_points : int or None, default=1000
            As in `skuad.metrics.pixel_roc_curve`. The area is exact in any case.
        name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : PixelRocCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            As of `skuad.metrics.pixel_roc_auc_score`.
        """
        fpr, tpr, _ = pixel_roc_curve(
            y_true, maps, ignore=ignore, max_points=max_points
        )
        roc_auc = pixel_roc_auc_score(y_true, maps, ignore=ignore)
        return cls(fpr=fpr, tpr=tpr, roc_auc=roc_auc, name=name).plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        name: str | None = None,
        plot_chance_level: bool = False,
        **kwargs: Any,
    ) -> "Self":
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        name : str or None, default=None
            Name in the legend, if other than the display's.
        plot_chance_level : bool, default=False
            Whether to draw the diagonal, which maps of noise have.
        **kwargs : dict
            For matplotlib's ``plot``.

        Returns
        -------
        self : PixelRocCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.chance_level_ = None
        self.line_ = draw_curve(
            self,
            ax,
            (self.fpr, self.tpr),
            curve_label(self.name if name is None else name, "AUC", self.roc_auc),
            kwargs,
        )
        self.ax_.set(
            xlabel="False-positive rate of pixels",
            ylabel="True-positive rate of pixels",
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            aspect="equal",
        )
        if plot_chance_level:
            (self.chance_level_,) = self.ax_.plot(
                (0, 1), (0, 1), color="k", linestyle="--", label="Chance (AUC = 0.5)"
            )
        add_legend(self.ax_)
        return self
