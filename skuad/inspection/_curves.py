"""What the displays of curves have in common."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from skuad.metrics._spool import spool_maps
from skuad.utils._optional import import_optional
from skuad.utils._typing import Array, ImagesLike, MasksLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from typing_extensions import Self


class _Display(Protocol):
    ax_: "Axes"
    figure_: "Figure | SubFigure"


def draw_curve(
    display: _Display,
    ax: "Axes | None",
    curve: tuple[Array, Array],
    label: str | None,
    kwargs: dict[str, Any],
) -> "Line2D":
    """Draw a curve, on a new figure if need be, and return its line."""
    if ax is None:
        pyplot = import_optional(
            "matplotlib.pyplot", extra="plot", needed_by=type(display).__name__
        )
        _, ax = pyplot.subplots(layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    if label:
        kwargs = {"label": label, **kwargs}
    (line,) = ax.plot(*curve, **kwargs)
    return line


def curve_label(name: str | None, metric: str, value: float | None) -> str | None:
    """Return what the legend says of a curve, or None."""
    if value is None:
        return name
    area = f"{metric} = {value:.3f}"
    return f"{name} ({area})" if name else area


def add_legend(ax: "Axes") -> None:
    """Add a legend if something in it has a name."""
    if ax.get_legend_handles_labels()[1]:
        ax.legend(loc="lower right")


class FromEstimatorMixin:
    """Gives `from_estimator` to a display that has `from_predictions`."""

    from_predictions: ClassVar[Callable[..., Any]]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ImagesLike,
        y: MasksLike,
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> "Self":
        """Compute the maps of images, and plot their curve.

        Parameters
        ----------
        estimator : estimator
            A fitted detector, a pipeline that ends in one, or a search over one.
        X : images
            See `skuad.base.validate_images`.
        y : array-like
            As `y_true` in `from_predictions`.
        name : str or None, default=None
            Name in the legend; by default that of the estimator's class.
        **kwargs : dict
            For `from_predictions`.

        Returns
        -------
        display : a display of this class

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            As of `from_predictions`.
        """
        name = type(estimator).__name__ if name is None else name
        with spool_maps(estimator, X) as maps:
            return cls.from_predictions(y, maps, name=name, **kwargs)
