"""Published recipes as compositions: equal to the papers' formulas, written out."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from skuad.augmentation import Compose, random_shift
from skuad.detectors import Augmented, ForegroundOnly, PatchDetector, PatchKNN
from skuad.feature_extraction import TimmEmbedder, upsample_map
from skuad.utils._testing import tiny_timm_weights
from skuad.utils._testing_images import make_images

IMAGES = make_images(6, size=(64, 96))
NEW = make_images(2, size=(64, 96), seed=1)
QUIET = {"calibration": None}


def tiny_vit(**parameters):
    return TimmEmbedder("test_vit", weights=tiny_timm_weights("test_vit"), **parameters)


def test_subspace_ad_is_the_residual_of_mean_tokens():
    """SubspaceAD: PCA of the patch tokens' mean over layers, then reconstruction."""
    embedder = tiny_vit(layers=[1, 2, 4], merge="mean")
    detector = PatchDetector(
        embedder, PCA(0.99, svd_solver="full"), scaling=None, pool=0.01, **QUIET
    ).fit(IMAGES)

    def tokens(images):
        layers = [tiny_vit(layers=[layer]).transform(images) for layer in (1, 2, 4)]
        return np.mean([[item.values for item in one] for one in layers], axis=0)

    rows = tokens(IMAGES).reshape(-1, 64).astype(np.float64)
    mean = rows.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(rows, rowvar=False))
    shares = np.cumsum(variances[::-1]) / variances.sum()
    subspace = axes[:, ::-1][:, : np.searchsorted(shares, 0.99) + 1]
    for one, anomaly_map, score in zip(
        tokens(NEW),
        detector.transform(NEW),
        -detector.score_samples(NEW),
        strict=True,
    ):
        centred = one - mean
        residual = np.linalg.norm(centred - centred @ subspace @ subspace.T, axis=2)
        expected = upsample_map(residual, (64, 96))
        assert_allclose(anomaly_map, expected, rtol=1e-3, atol=1e-4)
        highest = np.sort(anomaly_map.ravel())[-round(0.01 * anomaly_map.size) :]
        assert score == pytest.approx(highest.mean(), rel=1e-5)


def test_anomaly_dino_is_the_cosine_distance_to_all_tokens():
    """AnomalyDINO without a mask: 1 - cosine of the most alike token of any image."""
    detector = PatchKNN(
        tiny_vit(), coreset=None, scaling="unit", pool=0.01, **QUIET
    ).fit(IMAGES)

    def unit_tokens(images):
        rows = np.stack([item.values for item in tiny_vit().transform(images)])
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    bank = unit_tokens(IMAGES).reshape(-1, 64)
    for one, anomaly_map in zip(unit_tokens(NEW), detector.transform(NEW), strict=True):
        cosine_distance = 1 - (one @ bank.T).max(axis=-1)
        expected = upsample_map(np.sqrt(2 * cosine_distance), (64, 96))
        assert_allclose(anomaly_map, expected, rtol=1e-2, atol=2e-3)


def test_all_of_anomaly_dino_in_one_estimator(tmp_path):
    turns = Compose([partial(random_shift, max_shift=0, max_angle=180)], random_state=0)
    knn = PatchKNN(
        tiny_vit(memory=str(tmp_path)), coreset=None, scaling="unit", pool=0.01
    )
    detector = Augmented(
        ForegroundOnly(knn), turns, n_copies=4, false_alarm_rate=0.25
    ).fit(IMAGES[:4])
    bank = detector.detector_.detector_.estimator_.bank_
    assert_allclose(np.linalg.norm(bank, axis=1), 1, rtol=1e-5)
    assert detector.transform(NEW).shape == (2, 64, 96)
    assert set(detector.predict(NEW)) <= {1, -1}
