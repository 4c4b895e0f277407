"""Agreement with other toolkits."""

import numpy as np
import pytest

from skuad.metrics import aupimo_score, aupro_score


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    maps = rng.random((8, 128, 128)).astype(np.float32)
    masks = np.zeros(maps.shape, np.uint8)
    for index in range(3, 8):
        masks[index, 20:40, 30 : 40 + 4 * index] = 1
        masks[index, 90:95, 10 * index : 10 * index + 9] = 1
    maps[masks > 0] += 0.25
    return maps / maps.max(), masks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_aupro_equals_anomalib(data, limit):
    import torch
    from anomalib.metrics import aupro

    maps, masks = data
    peer = aupro._AUPRO(fpr_limit=limit)
    peer.update(torch.from_numpy(maps), torch.from_numpy(masks).int())
    expected = float(peer.compute())
    assert aupro_score(masks, maps, max_fpr=limit) == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_snapped_aupimo_equals_anomalib(data):
    import torch
    from anomalib.metrics.pimo import functional

    maps, masks = data
    # Normal scores on a grid, the others between, and thresholds finer than both: its
    # trapezoids are then the steps of the exact curve.
    maps = np.round(maps * 4000)
    maps[3:] += 0.5
    bounds = (1e-3, 1e-1)
    result = functional.aupimo_scores(
        torch.from_numpy(maps),
        torch.from_numpy(masks).bool(),
        num_thresholds=10 * int(maps[:3].max() - maps[:3].min()) + 1,
        fpr_bounds=bounds,
    )
    scores = aupimo_score(masks, maps, fpr_bounds=bounds, average=None, snap=True)
    np.testing.assert_allclose(scores[3:], result[4].numpy()[3:], rtol=0, atol=1e-6)
    assert 0.1 < np.nanmean(scores) < 0.9
