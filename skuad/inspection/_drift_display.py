"""The capital of a drift monitor over time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skuad.inspection._curves import draw_curve
from skuad.utils._typing import Array, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from typing_extensions import Self

    from skuad.calibration import DriftMonitor


class DriftDisplay:
    """Capital that bets against exchangeable scores, over the images of a line.

    Make it with `from_estimator`.

    Parameters
    ----------
    images : ndarray of int of shape (n_points,)
        Numbers of images, ascending.
    log_capital : ndarray of shape (n_points,)
        Natural logarithm of the capital.
    threshold : float
        Capital at which an alarm is raised.
    alarms : sequence of int, default=()
        Numbers of the images at which it was.
    epoch : int or None, default=None
        Number of images after which betting starts anew.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the curve is.
    figure_ : matplotlib Figure
        The figure of the axes.
    line_ : matplotlib Line2D
        The curve.
    alarms_ : matplotlib PathCollection
        The alarms.

    See Also
    --------
    skuad.calibration.DriftMonitor : What it shows.

    Examples
    --------
    >>> import numpy as np
    >>> from skuad.calibration import DriftMonitor
    >>> from skuad.inspection import DriftDisplay
    >>> rng = np.random.default_rng(0)
    >>> monitor = DriftMonitor(random_state=0).fit_scores(rng.normal(size=100))
    >>> _ = monitor.update([*rng.normal(size=500), *rng.normal(-2, size=50)])
    >>> DriftDisplay.from_estimator(monitor).alarms
    [513]
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    line_: "Line2D"
    alarms_: "PathCollection"

    def __init__(
        self,
        *,
        images: IntArray,
        log_capital: Array,
        threshold: float,
        alarms: Sequence[int] = (),
        epoch: int | None = None,
    ) -> None:
        self.images = images
        self.log_capital = log_capital
        self.threshold = threshold
        self.alarms = alarms
        self.epoch = epoch

    @classmethod
    def from_estimator(
        cls, monitor: "DriftMonitor", *, ax: "Axes | None" = None, **kwargs: Any
    ) -> "Self":
        """Plot what a monitor has seen.

        Parameters
        ----------
        monitor : DriftMonitor
            After `fit` and `update`.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        display : DriftDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        images, log_capital = monitor.history()
        display = cls(
            images=images,
            log_capital=log_capital,
            threshold=monitor.threshold,
            alarms=list(monitor.alarms_),
            epoch=monitor.epoch,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> "Self":
        """Draw the capital on a logarithmic scale, the threshold and the alarms.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            For matplotlib's ``plot``.

        Returns
        -------
        self : DriftDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        # Powers of ten as numbers, since a capital may be beyond what a float holds.
        powers = np.asarray(self.log_capital) / np.log(10)
        self.line_ = draw_curve(self, ax, (self.images, powers), "Capital", kwargs)
        level = np.log10(self.threshold)
        self.ax_.axhline(
            level, color="k", linestyle="--", label=f"Threshold ({self.threshold:g})"
        )
        self.alarms_ = self.ax_.scatter(
            self.alarms,
            np.full(len(self.alarms), level),
            color="C3",
            zorder=3,
            label="Alarm" if len(self.alarms) else None,
        )
        if self.epoch is not None and len(self.images):
            for start in range(self.epoch, int(self.images[-1]) + 1, self.epoch):
                self.ax_.axvline(start, color="0.85", linewidth=0.8, zorder=0)
        self.ax_.set(xlabel="Image", ylabel="Capital (power of ten)")
        self.ax_.legend(loc="upper left")
        return self
