"""Drawing curves, for the displays that do."""

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
