import metric_reference as reference
import numpy as np
import pytest
from hypothesis import assume, given
from strategies import data_set, examples

from skuad.metrics import aupimo_score


@examples(150)
@given(data_set(max_images=6, with_ignore=True))
def test_aupimo_equals_the_reference(data):
    maps, masks, ignore = data
    has_defect = [m is not None and m.any() for m in masks]
    seen = [
        m.size if i is None else (~i).sum() for m, i in zip(maps, ignore, strict=True)
    ]
    assume(any(n for n, d in zip(seen, has_defect, strict=True) if not d))
    found = [
        m & (True if i is None else ~i)
        for m, i, d in zip(masks, ignore, has_defect, strict=True)
        if d
    ]
    assume(any(m.any() for m in found))
    for bounds in ((1e-5, 1e-4), (0.02, 0.4), (0.1, 1.0)):
        expected = reference.aupimo(maps, masks, bounds, ignore)
        scores = aupimo_score(
            masks, maps, fpr_bounds=bounds, average=None, ignore=ignore
        )
        np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)
        mean = aupimo_score(masks, maps, fpr_bounds=bounds, ignore=ignore)
        assert mean == pytest.approx(np.nanmean(expected), abs=1e-9)


def snapped_reference(maps, masks, bounds):
    """Trapezoids over all thresholds between the rates nearest to the bounds."""
    is_good = [not m.any() for m in masks]
    normal = np.concatenate(
        [m.ravel() for m, g in zip(maps, is_good, strict=True) if g]
    )
    thresholds = np.unique(normal)[::-1]
    rates = np.array([np.mean(normal >= t) for t in thresholds])
    start, stop = (np.argmin(np.abs(rates - bound)) for bound in bounds)
    scores = []
    for values, mask, good in zip(maps, masks, is_good, strict=True):
        if good:
            scores.append(np.nan)
            continue
        inside = values[mask]
        total = 0.0
        for k in range(start, stop):
            # Just above the next threshold the rate is still the present one.
            total += np.mean(inside > thresholds[k + 1]) * np.log(
                rates[k + 1] / rates[k]
            )
        scores.append(total / np.log(bounds[1] / bounds[0]))
    return np.clip(scores, 0, 1)


@pytest.mark.parametrize("bounds", [(0.013, 0.11), (0.003, 0.4), (0.05, 0.9)])
@pytest.mark.parametrize("levels", [30, 1000])
def test_snapped_bounds(bounds, levels):
    rng = np.random.default_rng(0)
    maps = rng.integers(0, levels, size=(6, 9, 8)) / levels
    masks = rng.random((6, 9, 8)) < 0.2
    masks[:3] = False
    # The reference takes pixels that tie with a normal one as found too late.
    maps[3:] += 0.5 / levels
    maps[3:] += 0.1
    scores = aupimo_score(masks, maps, fpr_bounds=bounds, snap=True, average=None)
    np.testing.assert_allclose(
        scores, snapped_reference(maps, masks, bounds), rtol=0, atol=1e-9
    )


def test_snapping_changes_little_with_many_normal_pixels():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(4, 300, 300)).astype(np.float32)
    masks = np.zeros((4, 300, 300), bool)
    masks[3, :50, :50] = True
    maps[masks] += 3.5
    exact = aupimo_score(masks, maps)
    assert 0.1 < exact < 0.9
    assert aupimo_score(masks, maps, snap=True) == pytest.approx(exact, abs=0.05)
    assert aupimo_score(masks, maps, snap=True) != exact


@pytest.mark.parametrize("bounds", [(0, 0.1), (0.1, 0.1), (0.2, 0.1), (0.1, 1.5)])
def test_bounds_out_of_order_raise(bounds):
    with pytest.raises(ValueError, match="fpr_bounds"):
        aupimo_score([None], np.zeros((1, 2, 2)), fpr_bounds=bounds)
    with pytest.raises(ValueError, match="average"):
        aupimo_score([None], np.zeros((1, 2, 2)), average="median")
