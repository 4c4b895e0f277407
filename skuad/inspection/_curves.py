"""What the displays of curves have in common."""

from skuad.metrics._spool import spool_maps
from skuad.utils._optional import import_optional


def draw_curve(display, ax, curve, label, kwargs):
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


def curve_label(name, metric, value):
    """Return what the legend says of a curve, or None."""
    if value is None:
        return name
    area = f"{metric} = {value:.3f}"
    return f"{name} ({area})" if name else area


def add_legend(ax):
    """Add a legend if something in it has a name."""
    if ax.get_legend_handles_labels()[1]:
        ax.legend(loc="lower right")


class FromEstimatorMixin:
    """Gives `from_estimator` to a display that has `from_predictions`."""

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, **kwargs):
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
