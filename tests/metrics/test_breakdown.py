import numpy as np
import pytest
from hypothesis import assume, given
from strategies import data_set, examples

from skuad.metrics import (
    _bootstrap,
    aupimo_score,
    aupro_score,
    image_roc_auc_score,
    map_metrics,
    metrics_by_image,
    metrics_by_type,
    pixel_average_precision_score,
    pixel_roc_auc_score,
)

METRICS = ["pixel_roc_auc", "pixel_average_precision", "pixel_f1_max", "aupro"]
METRICS += ["aupro@0.05"]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    maps = rng.integers(0, 40, size=(14, 12, 10)).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    for index in range(6, 14):
        masks[index, 2:5, 3 : 4 + index % 3] = masks[index, 8, 1:4] = True
        maps[index][masks[index]] += 2 * index
    types = np.array(["good"] * 6 + ["scratch"] * 3 + ["stain"] * 5)
    return maps, masks, types


@examples(80)
@given(data_set(with_ignore=True))
def test_values_by_image_average_to_the_metric(data):
    maps, masks, ignore = data
    seen = [
        np.zeros(v.shape, bool) if m is None else m & (True if i is None else ~i)
        for v, m, i in zip(maps, masks, ignore, strict=True)
    ]
    n_pixels = np.array([mask.sum() for mask in seen])
    n_seen = sum(
        m.size if i is None else (~i).sum() for m, i in zip(maps, ignore, strict=True)
    )
    assume(0 < n_pixels.sum() < n_seen)
    names = ["pixel_roc_auc", "pixel_average_precision"]
    values = metrics_by_image(masks, maps, names, ignore=ignore)
    metrics = [pixel_roc_auc_score, pixel_average_precision_score]
    for name, metric in zip(names, metrics, strict=True):
        assert (np.isnan(values[name]) == (n_pixels == 0)).all()
        average = np.nansum(values[name] * n_pixels) / n_pixels.sum()
        expected = metric(masks, maps, ignore=ignore)
        assert average == pytest.approx(expected, abs=1e-9)


def test_aupro_and_aupimo_by_image(data):
    maps, masks, _ = data
    values = metrics_by_image(masks, maps, ["aupro", "aupro@0.05", "aupimo"])
    # Every anomalous image has two regions.
    assert np.nanmean(values["aupro"]) == pytest.approx(aupro_score(masks, maps))
    expected = aupro_score(masks, maps, max_fpr=0.05)
    assert np.nanmean(values["aupro@0.05"]) == pytest.approx(expected)
    expected = aupimo_score(masks, maps, average=None)
    np.testing.assert_array_equal(values["aupimo"], expected)


def test_metrics_without_a_value_per_image_raise(data):
    for name in ("pixel_f1_max", "image_roc_auc"):
        with pytest.raises(ValueError, match="no value for a single image"):
            metrics_by_image(data[1], data[0], name)


def test_by_type_equals_the_metric_of_the_subset(data):
    maps, masks, types = data
    scores = maps.max(axis=(1, 2))
    names = [*METRICS, "aupimo", "image_roc_auc"]
    estimates = metrics_by_type(masks, maps, types, names, scores=scores, n_resamples=0)
    assert list(estimates) == ["all", "scratch", "stain"]
    for name, group in estimates.items():
        kept = np.isin(types, ["good", name]) if name != "all" else types != ""
        expected = map_metrics(masks[kept], maps[kept], names, scores=scores[kept])
        assert list(group) == names
        for metric in names:
            assert group[metric].value == pytest.approx(expected[metric], abs=1e-12)
            assert np.isnan(group[metric].low) and np.isnan(group[metric].high)


@pytest.mark.parametrize("word", ["", "all", "scratch"])
def test_the_type_of_a_good_image_is_not_used(data, word):
    maps, masks, types = data
    named = np.where(types == "good", word, types)
    run = {"metrics": "aupro", "n_resamples": 9, "random_state": 0}
    estimates = metrics_by_type(masks, maps, list(named), **run)
    assert estimates == metrics_by_type(masks, maps, types, **run)


def test_without_types_all_images_are_one_group(data):
    maps, masks, _ = data
    estimates = metrics_by_type(masks, maps, metrics="aupro", n_resamples=50)
    assert list(estimates) == ["all"]
    estimate = estimates["all"]["aupro"]
    assert estimate.value == pytest.approx(aupro_score(masks, maps))
    assert estimate.low < estimate.value < estimate.high


def test_intervals_equal_those_of_repeated_images(data):
    """Quantised maps: each level has a cell of its own, so resamples are exact."""
    maps, masks, types = data
    scores = maps.max(axis=(1, 2))
    n_resamples, seed = 30, 3
    names = [*METRICS, "image_roc_auc"]
    estimates = metrics_by_type(
        masks,
        maps,
        types,
        names,
        scores=scores,
        n_resamples=n_resamples,
        confidence_level=0.9,
        random_state=seed,
    )
    strata = np.where(types == "good", "", types)
    drawn = np.random.RandomState(seed).randint(np.iinfo(np.int32).max)
    weights = _bootstrap.draw(strata, n_resamples, np.random.default_rng(drawn))
    for group, names_of_group in [("all", set(strata)), ("stain", {"", "stain"})]:
        values = {name: [] for name in names}
        for weight in weights:
            kept = np.repeat(np.arange(14), weight.astype(int))
            kept = kept[np.isin(strata[kept], list(names_of_group))]
            resample = map_metrics(masks[kept], maps[kept], names, scores=scores[kept])
            for name in names:
                values[name].append(resample[name])
        for name in names:
            low, high = np.quantile(values[name], [0.05, 0.95])
            estimate = estimates[group][name]
            assert estimate.low == pytest.approx(low, abs=1e-9), (group, name)
            assert estimate.high == pytest.approx(high, abs=1e-9), (group, name)


def test_cells_of_many_scores_change_intervals_little(monkeypatch):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(12, 60, 60)).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    masks[4:, 10:30, 10:30] = True
    maps[masks] += 1
    run = {"n_resamples": 200, "random_state": 0, "metrics": METRICS}
    cells = metrics_by_type(masks, maps, **run)["all"]
    monkeypatch.setattr(_bootstrap, "_N_CELLS", 1 << 20)
    exact = metrics_by_type(masks, maps, **run)["all"]
    for name in METRICS:
        assert cells[name].value == exact[name].value
        assert cells[name] == pytest.approx(exact[name], abs=2e-3)


def test_draws_keep_the_number_of_each_kind():
    strata = np.array(["", "", "", "a", "a", "b"])
    weights = _bootstrap.draw(strata, 100, np.random.default_rng(0))
    assert (weights[:, :3].sum(axis=1) == 3).all()
    assert (weights[:, 3:5].sum(axis=1) == 2).all()
    assert (weights[:, 5] == 1).all()
    assert weights[:, 0].std() > 0


def test_intervals_cover_the_truth():
    """Nine in ten intervals of 0.9 hold the value of the population."""
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(100):
        scores = np.append(rng.normal(size=40), rng.normal(1, 1, size=40))
        estimate = metrics_by_type(
            np.repeat([1, -1], 40),
            metrics="image_roc_auc",
            scores=scores,
            confidence_level=0.9,
            n_resamples=200,
            random_state=seed,
        )["all"]["image_roc_auc"]
        hits += estimate.low <= 0.7602 <= estimate.high
    assert 82 <= hits <= 97


def test_random_state_makes_it_repeatable(data):
    maps, masks, types = data
    run = [
        metrics_by_type(masks, maps, types, "aupro", n_resamples=20, random_state=seed)
        for seed in (0, 0, 1)
    ]
    assert run[0] == run[1] != run[2]


def test_images_of_unknown_extent(data):
    maps, masks, types = data
    entries = [*masks[:13], -1]
    with pytest.warns(UserWarning, match="left out"):
        estimates = metrics_by_type(
            entries, maps, types, "aupro", n_resamples=10, random_state=0
        )
    kept = types[:13] != "scratch"
    expected = aupro_score(masks[:13][kept], maps[:13][kept])
    assert estimates["stain"]["aupro"].value == pytest.approx(expected)
    scores = maps.max(axis=(1, 2))
    image = metrics_by_type(
        entries, types=types, metrics="image_roc_auc", scores=scores, n_resamples=0
    )
    expected = image_roc_auc_score(masks, scores)
    assert image["all"]["image_roc_auc"].value == pytest.approx(expected)


def test_wrong_use_raises(data):
    maps, masks, types = data
    for kwargs, message in [
        ({"types": types[:5]}, "types has 5 entries for 14"),
        ({"types": ["all"] * 14}, "'all'"),
        ({"n_resamples": -1}, "n_resamples"),
        ({"confidence_level": 1}, "confidence_level"),
        ({"metrics": "image_roc_auc"}, "need scores"),
        ({"maps": None}, "need maps"),
    ]:
        with pytest.raises(ValueError, match=message):
            metrics_by_type(masks, **{"maps": maps, **kwargs})
