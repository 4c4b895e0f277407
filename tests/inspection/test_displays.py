"""Displays: what they draw, where, and with what numbers."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN, Tiled
from skuad.inspection import (
    AnomalyMapDisplay,
    PixelRocCurveDisplay,
    ProCurveDisplay,
)
from skuad.io import write_image
from skuad.metrics import (
    aupro_score,
    aupro_scorer,
    pixel_roc_auc_score,
    pixel_roc_curve,
    pro_curve,
)
from skuad.model_selection import GoodTrainKFold
from skuad.postprocessing import MapDecision, SmoothMaps
from skuad.preprocessing import GrayWorld

pyplot.switch_backend("agg")

DATA = make_defect_images("noise", n_train=8, n_good=2, n_defective=4, size=48)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def detector():
    model = PatchKNN(coreset="random", false_alarm_rate=0.2, random_state=0)
    return model.fit(DATA.train)


@pytest.fixture(scope="module")
def maps(detector):
    return detector.transform(DATA.test)


def test_roc_curve(detector, maps):
    display = PixelRocCurveDisplay.from_estimator(detector, DATA.test, DATA.masks)
    fpr, tpr, _ = pixel_roc_curve(DATA.masks, maps)
    np.testing.assert_array_equal(display.fpr, fpr)
    np.testing.assert_array_equal(display.line_.get_xdata(), fpr)
    np.testing.assert_array_equal(display.line_.get_ydata(), tpr)
    assert display.roc_auc == pixel_roc_auc_score(DATA.masks, maps)
    assert display.line_.get_label() == f"PatchKNN (AUC = {display.roc_auc:.3f})"
    assert display.figure_ is display.ax_.figure
    assert display.chance_level_ is None
    exact = PixelRocCurveDisplay.from_predictions(DATA.masks, maps, max_points=None)
    assert np.trapezoid(exact.tpr, exact.fpr) == pytest.approx(exact.roc_auc, abs=1e-12)


def test_pro_curve(detector, maps):
    display = ProCurveDisplay.from_estimator(
        detector, DATA.test, list(DATA.masks), max_fpr=0.05, name="kNN"
    )
    fpr, pro, _ = pro_curve(DATA.masks, maps)
    np.testing.assert_array_equal(display.line_.get_xdata(), fpr)
    np.testing.assert_array_equal(display.line_.get_ydata(), pro)
    assert display.aupro == aupro_score(DATA.masks, maps, max_fpr=0.05)
    assert display.line_.get_label() == f"kNN (AUPRO@0.05 = {display.aupro:.3f})"
    assert 0.05 < display.ax_.get_xlim()[1] < 0.052
    assert display.ax_.get_legend() is not None


@pytest.mark.parametrize("kind", [PixelRocCurveDisplay, ProCurveDisplay])
def test_curves_share_axes_and_take_matplotlibs_arguments(kind, maps):
    figure, ax = pyplot.subplots()
    first = kind.from_predictions(DATA.masks, maps, ax=ax, name="one", color="red")
    second = kind.from_predictions(DATA.masks, -maps, ax=ax, linestyle=":", label="L")
    assert first.ax_ is second.ax_ is ax and first.figure_ is figure
    assert first.line_.get_color() == "red" and second.line_.get_linestyle() == ":"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[0].startswith("one (A") and texts[1] == "L"
    again = first.plot(name="other")
    assert again is first and first.ax_ is not ax
    assert first.line_.get_label().startswith("other (")
    corner = np.zeros((48, 48), bool)
    corner[:40, :40] = True
    ignoring = kind.from_predictions(DATA.masks, maps, ignore=corner)
    assert len(ignoring.fpr) < len(first.fpr)


def test_chance_level():
    display = PixelRocCurveDisplay(fpr=np.array([0, 1]), tpr=np.array([0, 1]))
    display.plot(plot_chance_level=True)
    np.testing.assert_array_equal(display.chance_level_.get_xdata(), [0, 1])
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["Chance (AUC = 0.5)"]
    display.plot()
    assert display.chance_level_ is None and display.ax_.get_legend() is None


def test_curves_of_labels_say_what_is_missing(detector):
    for kind in (PixelRocCurveDisplay, ProCurveDisplay):
        with pytest.raises(ValueError, match="need a mask per image"):
            kind.from_estimator(detector, DATA.test, DATA.target)


def n_outlines(ax):
    return sum(
        len(path.vertices) > 0
        for collection in ax.collections
        for path in collection.get_paths()
    )


def test_maps(detector, maps):
    display = AnomalyMapDisplay.from_estimator(detector, DATA.test, DATA.masks)
    assert display.axes_.shape == (6, 2)
    np.testing.assert_array_equal(display.maps, maps)
    np.testing.assert_array_equal(-detector.score_samples(DATA.test), display.scores)
    assert display.threshold == -detector.offset_
    for number, (plain, heat) in enumerate(display.axes_):
        (image,) = plain.images
        np.testing.assert_array_equal(image.get_array(), DATA.test[number])
        assert plain.get_title() == ("defective" if number > 1 else "good")
        assert heat.get_title() == f"score {maps[number].max():.3g}"
        assert n_outlines(plain) == (number > 1)
        assert n_outlines(heat) == (maps[number].max() > display.threshold)
    low, high = display.colorbar_.mappable.get_clim()
    assert low == np.median(np.median(maps, axis=(1, 2)))
    assert high == pytest.approx(1.5 * display.threshold - 0.5 * low)


def test_the_threshold_is_the_detectors_own(detector):
    few = DATA.test[:2]

    def threshold(estimator, **options):
        return AnomalyMapDisplay.from_estimator(estimator, few, **options).threshold

    assert threshold(make_pipeline(GrayWorld(), detector)) == -detector.offset_
    assert threshold(detector, threshold=None) is None
    assert threshold(detector, threshold=2) == 2
    inner = PatchKNN(coreset="random", random_state=0)
    decision = MapDecision(inner, SmoothMaps(1), threshold=3.0).fit(DATA.train)
    assert threshold(decision) == 3
    tiled = Tiled(inner, tile=32).fit(DATA.train)
    assert threshold(tiled) == -tiled.offset_
    mean = PatchKNN(coreset="random", random_state=0, pool="mean").fit(DATA.train)
    assert threshold(mean) is None
    none = PatchKNN(coreset="random", random_state=0, calibration=None)
    assert threshold(none.fit(DATA.train)) is None
    X, y = np.concatenate([DATA.train, DATA.test]), [None] * 10 + list(DATA.masks[2:])
    search = GridSearchCV(
        inner, {"n_neighbors": [1]}, scoring=aupro_scorer, cv=GoodTrainKFold(2)
    ).fit(X, y)
    assert threshold(search) == -search.best_estimator_.offset_


def test_every_kind_of_image_and_y(detector, tmp_path):
    paths, masks = [], []
    for number in range(6):
        paths.append(str(tmp_path / f"{number}.png"))
        write_image(paths[-1], DATA.test[number])
        masks.append(str(tmp_path / f"{number}_mask.png") if number > 1 else "")
        if number > 1:
            write_image(masks[-1], DATA.masks[number].astype(np.uint8))
    for y, drawn in [
        (DATA.masks, True),
        (masks, True),
        (pd.Series(masks), True),
        (DATA.target, False),
        ([None, None, -1, *DATA.masks[3:]], True),
        (None, False),
    ]:
        display = AnomalyMapDisplay.from_estimator(detector, paths, y)
        titles = [plain.get_title() for plain, _ in display.axes_]
        expected = ["good"] * 2 + ["defective"] * 4
        assert titles == (expected if y is not None else [""] * 6)
        assert n_outlines(display.axes_[5, 0]) == drawn
        assert n_outlines(display.axes_[2, 0]) == ((drawn and not isinstance(y, list))
                                                   or y is masks)  # fmt: skip
    gray16 = DATA.test[..., 0].astype(np.uint16) * 16
    sizes = [gray16[0], gray16[1][:30], gray16[2][:, :20] / 4080]
    display = AnomalyMapDisplay.from_predictions(sizes, sizes)
    assert [heat.images[0].get_array().shape[:2] for _, heat in display.axes_] == [
        (48, 48),
        (30, 48),
        (48, 20),
    ]
    rows = np.random.default_rng(0).random((3, 40))
    y = np.zeros((3, 40))
    y[2, 5:9] = 1
    display = AnomalyMapDisplay.from_predictions(rows, rows, y, threshold=0.5)
    assert display.axes_[2, 0].get_title() == "defective"
    display.figure_.canvas.draw()


def test_layout(maps):
    display = AnomalyMapDisplay.from_predictions(DATA.test, maps, n_columns=4)
    visible = [ax for ax in display.figure_.axes if ax.axison]
    assert len(display.figure_.axes) == 4 * 4 + 1 and len(visible) == 2 * 6 + 1
    figure, axes = pyplot.subplots(6, 2)
    display.plot(axes=axes, vmin=0, vmax=9)
    assert display.figure_ is figure
    assert display.colorbar_.mappable.get_clim() == (0, 9)
    with pytest.raises(ValueError, match=r"axes has shape \(3, 2\); 6 images"):
        display.plot(axes=axes[:3])


@pytest.mark.parametrize("threshold", [None, 1.0, 0.0, -1.0])
@pytest.mark.parametrize("value", [0.0, 1.0, -3.0])
def test_constant_maps(threshold, value):
    constant = np.full((2, 48, 48), value, np.float32)
    display = AnomalyMapDisplay.from_predictions(
        DATA.test[:2], constant, threshold=threshold
    )
    display.figure_.canvas.draw()


def test_what_does_not_fit_raises(detector, maps):
    with pytest.raises(ValueError, match="5 maps for 6 images"):
        AnomalyMapDisplay.from_predictions(DATA.test, maps[:5])
    with pytest.raises(ValueError, match="3 scores for 6 images"):
        AnomalyMapDisplay.from_predictions(DATA.test, maps, scores=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="2 entries of y for 6 images"):
        AnomalyMapDisplay.from_predictions(DATA.test, maps, [1, -1])
    with pytest.raises(ValueError, match="the anomaly map has shape"):
        AnomalyMapDisplay.from_predictions(DATA.test, maps[:, 1:])
    with pytest.raises(ValueError, match="threshold is 'own'"):
        AnomalyMapDisplay.from_estimator(detector, DATA.test, threshold="own")
    with pytest.raises(ValueError, match=r"labels are \[0, 1\]"):
        AnomalyMapDisplay.from_predictions(DATA.test, maps, [0, 0, 1, 1, 1, 1])


def test_matplotlib_is_optional(monkeypatch, maps):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for make in (
        lambda: AnomalyMapDisplay.from_predictions(DATA.test, maps),
        lambda: PixelRocCurveDisplay.from_predictions(DATA.masks, maps),
        lambda: ProCurveDisplay.from_predictions(DATA.masks, maps),
    ):
        with pytest.raises(ImportError, match=r'pip install "skuad\[plot\]"'):
            make()
