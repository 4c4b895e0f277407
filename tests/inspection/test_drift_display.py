"""DriftDisplay: the capital, its threshold and the alarms."""

import numpy as np
from matplotlib import pyplot

from skuad.calibration import DriftMonitor
from skuad.inspection import DriftDisplay

pyplot.switch_backend("agg")


def test_what_is_drawn():
    rng = np.random.default_rng(0)
    monitor = DriftMonitor(epoch=300, random_state=0).fit_scores(rng.normal(size=100))
    monitor.update([*rng.normal(size=400), *rng.normal(-2, size=60)])
    display = DriftDisplay.from_estimator(monitor, color="C2")
    images, log_capital = monitor.history()
    np.testing.assert_array_equal(display.line_.get_xdata(), images)
    np.testing.assert_allclose(display.line_.get_ydata(), log_capital / np.log(10))
    assert display.line_.get_color() == "C2"
    offsets = display.alarms_.get_offsets()
    assert offsets.tolist() == [[monitor.alarms_[0], 3.0]]
    _, ax = pyplot.subplots()
    assert display.plot(ax=ax).ax_ is ax
    pyplot.close("all")
