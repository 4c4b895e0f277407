"""Per-region overlap curve of anomaly maps, drawn in scikit-learn's manner."""

from typing import TYPE_CHECKING, Any

from skuad.inspection._curves import (
    FromEstimatorMixin,
    add_legend,
    curve_label,
    draw_curve,
)
from skuad.metrics import aupro_score, pro_curve
from skuad.utils._typing import Array, MapsLike, MasksLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from typing_extensions import Self


class ProCurveDisplay(FromEstimatorMixin):
    """Per-region overlap (PRO) curve over all pixels of all images.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    fpr, pro : ndarray of shape (n_points,)
        False-positive rate, and the mean part of a defect that is found, ascending.
    aupro : float or None, default=None
        Area under the curve up to `max_fpr`, divided by it, for the legend.
    max_fpr : float, default=0.3
        Where the area ends, in (0, 1]; the curve is drawn that far.
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

    See Also
    --------
    PixelRocCurveDisplay : The same for pixels, in which large defects outweigh.
    skuad.metrics.pro_curve : The curve as numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.inspection import ProCurveDisplay
    >>> mask = np.array([[0, 0, 1, 0, 1, 1]])
    >>> anomaly_map = np.array([[0.1, 0.4, 0.35, 0.2, 0.8, 0.0]])
    >>> display = ProCurveDisplay.from_predictions([mask], [anomaly_map], max_fpr=0.5)
    >>> round(display.aupro, 3)
    0.417
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    line_: "Line2D"

    def __init__(
        self,
        *,
        fpr: Array,
        pro: Array,
        aupro: float | None = None,
        max_fpr: float = 0.3,
        name: str | None = None,
    ) -> None:
        self.fpr = fpr
        self.pro = pro
        self.aupro = aupro
        self.max_fpr = max_fpr
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: MasksLike,
        maps: MapsLike,
        *,
        max_fpr: float = 0.3,
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
            As in `skuad.metrics.aupro_score`.
        max_fpr : float, default=0.3
            Where the area ends, in (0, 1].
        max_points : int or None, default=1000
            As in `skuad.metrics.pro_curve`. The area is exact in any case.
        name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : ProCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            As of `skuad.metrics.aupro_score`.
        """
        aupro = aupro_score(y_true, maps, max_fpr=max_fpr, ignore=ignore)
        fpr, pro, _ = pro_curve(y_true, maps, ignore=ignore, max_points=max_points)
        display = cls(fpr=fpr, pro=pro, aupro=aupro, max_fpr=max_fpr, name=name)
        return display.plot(ax=ax, **kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, name: str | None = None, **kwargs: Any
    ) -> "Self":
        """Draw the curve up to `max_fpr`.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        name : str or None, default=None
            Name in the legend, if other than the display's.
        **kwargs : dict
            For matplotlib's ``plot``.

        Returns
        -------
        self : ProCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.line_ = draw_curve(
            self,
            ax,
            (self.fpr, self.pro),
            curve_label(
                self.name if name is None else name,
                f"AUPRO@{self.max_fpr:g}",
                self.aupro,
            ),
            kwargs,
        )
        self.ax_.set(
            xlabel="False-positive rate of pixels",
            ylabel="Per-region overlap",
            xlim=(-0.01 * self.max_fpr, 1.01 * self.max_fpr),
            ylim=(-0.01, 1.01),
        )
        add_legend(self.ax_)
        return self
