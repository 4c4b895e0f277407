"""PatchCore's weighted score of an image."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.special import softmax

from skuad.detectors import PatchKNN
from skuad.feature_extraction import FilterBankEmbedder
from skuad.neighbors import reweighted_distance
from skuad.utils._testing_images import make_images

IMAGES = make_images(12, seed=3)


def reference(query, bank, n_neighbors=9):
    """Return the formula of the paper, as it stands there."""
    nearest = cdist(query[None], bank)[0].argmin()
    around = np.argsort(cdist(bank[nearest][None], bank)[0])[:n_neighbors]
    distances = cdist(query[None], bank[around])[0]
    # The row itself comes first among its own neighbours.
    return (1 - softmax(distances)[0]) * distances[0]


@pytest.mark.parametrize("scale", [1, 300], ids=["near", "beyond the range of exp"])
def test_weight_is_that_of_the_paper(scale):
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(50, 6)) * scale
    for query in rng.normal(size=(20, 6)) * scale:
        nearest = cdist(query[None], bank)[0].argmin()
        assert_allclose(
            reweighted_distance(query, nearest, bank), reference(query, bank), rtol=1e-6
        )


def test_a_bank_of_one_row_has_no_surroundings():
    assert reweighted_distance(np.array([3.0, 4]), 0, np.zeros((1, 2))) == 5


def test_score_of_an_image_is_that_of_its_farthest_patch():
    detector = PatchKNN(pool="reweighted", random_state=0, false_alarm_rate=0.2)
    detector.fit(IMAGES)
    new = make_images(3, seed=4)
    bank = detector.estimator_.bank_
    expected = []
    for features in FilterBankEmbedder().transform(new):
        rows = detector.scaler_.transform(features.rows)
        farthest = cdist(rows, bank).min(axis=1).argmax()
        expected.append(reference(rows[farthest], bank))
    assert_allclose(-detector.score_samples(new), expected, rtol=1e-4)
    plain = PatchKNN(calibration=None, random_state=0).fit(IMAGES)
    assert_allclose(detector.transform(new), plain.transform(new))


def test_threshold_is_in_the_unit_of_the_scores():
    """A threshold on plain maxima would lie below all weighted scores."""
    detector = PatchKNN(pool="reweighted", random_state=0, false_alarm_rate=0.2)
    flagged = detector.fit(IMAGES).predict(make_images(40, seed=4)) == -1
    assert 0 < flagged.mean() < 0.6
