import metric_reference as reference
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, roc_auc_score
from strategies import examples

from skuad.metrics import (
    image_average_precision_score,
    image_f1_max_score,
    image_roc_auc_score,
)

METRICS = [image_roc_auc_score, image_average_precision_score, image_f1_max_score]


@examples(100)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, -1]), st.integers(-3, 3) | st.floats(-2, 2)),
        min_size=2,
        max_size=20,
    ).filter(lambda pairs: len({label for label, _ in pairs}) == 2)
)
def test_metrics_equal_the_reference_and_scikit_learn(pairs):
    labels, scores = map(np.array, zip(*pairs, strict=True))
    truth = labels == -1
    auroc = image_roc_auc_score(labels, scores)
    assert auroc == pytest.approx(reference.roc_auc(scores, truth), abs=1e-9)
    assert auroc == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    # scikit-learn's own coding: its scorer ranks by score_samples, low if anomalous.
    assert auroc == pytest.approx(roc_auc_score(labels, -scores), abs=1e-12)
    precision = image_average_precision_score(labels, scores)
    assert precision == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    best = image_f1_max_score(labels, scores)
    np.testing.assert_allclose(best, reference.f1_max(scores, truth), atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_labels_may_be_masks(metric):
    masks = np.zeros((3, 2, 2))
    masks[1, 0, 0] = 255
    scores = [0.2, 0.4, 0.6]
    assert metric(masks, scores) == metric([1, -1, 1], scores)
    assert metric([None, masks[1], None], scores) == metric([1, -1, 1], scores)
    assert metric([1, -1.0, None], scores) == metric([1, -1, 1], scores)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("label, missing", [(1, "anomalous"), (-1, "normal")])
def test_one_kind_of_image_is_undefined(metric, label, missing):
    with pytest.warns(UndefinedMetricWarning, match=f"no {missing} image"):
        assert np.isnan(metric([label] * 3, [0.1, 0.2, 0.3])).all()


@pytest.mark.parametrize("metric", METRICS)
def test_bad_scores_raise(metric):
    for scores, message in [
        ([0.1, 0.2], r"shape \(2,\); there are 3 images"),
        ([[0.1], [0.2], [0.3]], r"shape \(3, 1\)"),
        ([0.1, np.nan, 0.3], r"scores\[1\] is nan"),
        ([0.1, 0.2, np.inf], r"scores\[2\] is inf"),
        (["a", "b", "c"], "dtype"),
    ]:
        with pytest.raises(ValueError, match=message):
            metric([1, -1, 1], scores)


@pytest.mark.parametrize("metric", METRICS)
def test_integer_and_bool_scores(metric):
    assert metric([1, -1, 1], [0, 1, 0]) == metric([1, -1, 1], [False, True, False])
