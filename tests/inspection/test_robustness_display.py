import numpy as np
import pytest
from matplotlib import pyplot

from skuad.augmentation import ExposureShift, Vignette
from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.inspection import RobustnessDisplay
from skuad.model_selection import robustness_by_condition

pyplot.switch_backend("agg")

DATA = make_defect_images("noise", n_train=10, n_good=4, n_defective=4, size=48)


@pytest.fixture(scope="module")
def detector():
    return PatchKNN(coreset="random", false_alarm_rate=0.2, random_state=0).fit(
        DATA.train
    )


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def test_a_line_for_each_corruption_and_quantity(detector):
    display = RobustnessDisplay.from_estimator(
        detector,
        DATA.test,
        DATA.masks,
        {"brighter": ExposureShift, "corners": Vignette},
        [0.2, 0.6],
        metrics="aupro",
    )
    assert display.axes_.shape == (2, 2)
    plain, *rows = display.rows
    for quantity, axes in zip(
        ["false_alarm_rate", "aupro"], display.axes_, strict=True
    ):
        for corruption, ax in zip(["brighter", "corners"], axes, strict=True):
            line, level = ax.get_lines()
            expected = [r[quantity] for r in rows if r["corruption"] == corruption]
            np.testing.assert_array_equal(line.get_xdata(), [0.2, 0.6])
            np.testing.assert_array_equal(line.get_ydata(), expected)
            assert set(level.get_ydata()) == {plain[quantity]}
    assert [ax.get_title() for ax in display.axes_[0]] == ["brighter", "corners"]
    display.figure_.canvas.draw()


def test_conditions_share_a_column(detector):
    condition = ["regular", "overexposed"] * 4
    result = robustness_by_condition(
        detector, DATA.test, DATA.target, condition, metrics="image_roc_auc"
    )
    figure = pyplot.figure()
    display = RobustnessDisplay(*result).plot(figure)
    assert display.figure_ is figure and display.axes_.shape == (2, 1)
    labels = [label.get_text() for label in display.axes_[-1, 0].get_xticklabels()]
    assert labels == ["regular", "overexposed"]
    figure.canvas.draw()
