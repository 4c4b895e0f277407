import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline

from skuad.datasets import make_defect_images
from skuad.detectors import PatchDetector, PatchKNN, RegionOfInterest
from skuad.preprocessing import GrayWorld
from skuad.utils._repr import FittedReprMixin, fitted_facts

GOOD = make_defect_images("weave", n_train=9, n_good=1, n_defective=1, size=48).train


@pytest.fixture(scope="module")
def detector():
    detector = PatchKNN(coreset="random", false_alarm_rate=0.2, random_state=0)
    return detector.fit(GOOD)


def test_fitted_facts(detector):
    facts = dict(fitted_facts(detector))
    n_rows, n_features = detector.estimator_.bank_.shape
    assert facts == {
        "training images": "9",
        "training patches": f"{detector.n_patches_:,}",
        "bank": f"{n_rows:,} rows of {n_features} features",
        "threshold": f"anomaly score {-detector.offset_:.4g}",
    }
    assert fitted_facts(make_pipeline(GrayWorld(), detector)) == list(facts.items())
    assert fitted_facts(PatchKNN()) == []
    # A parameter that happens to be fitted is not what fit found.
    assert fitted_facts(RegionOfInterest(detector)) == []


def test_the_outermost_threshold_counts(detector):
    roi = np.zeros((48, 48), bool)
    roi[:, :24] = True
    outer = RegionOfInterest(PatchKNN(coreset="random", random_state=0), roi=roi)
    outer.set_params(false_alarm_rate=0.2).fit(GOOD[:7])
    facts = dict(fitted_facts(outer))
    assert facts["threshold"] == f"anomaly score {-outer.offset_:.4g}"
    assert facts["training images"] == "7"
    assert "bank" in facts
    bare = PatchDetector(
        estimator=IsolationForest(n_estimators=5), calibration=None
    ).fit(GOOD)
    assert dict(fitted_facts(bare))["threshold"] == "none"


def test_html_has_the_parameters_and_what_fit_found(detector):
    html = detector._repr_html_()
    assert "coreset" in html  # scikit-learn 1.6 shows the parameters that were set
    assert "<b>bank</b>" in html and "<b>threshold</b>" in html
    facts, _, _ = html.partition("<style>")  # whose numbers change from call to call
    assert detector._repr_mimebundle_()["text/html"].startswith(facts)
    assert "<b>bank</b>" not in PatchKNN()._repr_html_()
    with config_context(display="text"):
        assert not hasattr(detector, "_repr_html_")
        assert list(detector._repr_mimebundle_()) == ["text/plain"]


def test_weights_are_named_with_their_hash_and_escaped():
    class OnWeights(FittedReprMixin, BaseEstimator):
        def fit(self):
            self.weights_path_, self.weights_sha256_ = "/a/<b>.pth", "0123"
            return self

    fitted = OnWeights().fit()
    assert fitted_facts(fitted) == [("weights", "/a/<b>.pth (SHA-256 0123)")]
    assert "/a/&lt;b&gt;.pth (SHA-256 0123)" in fitted._repr_html_()
