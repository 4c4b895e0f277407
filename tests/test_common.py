"""What every public estimator owes its user: two batteries over one list."""

import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from skuad.utils._testing import CHECKPOINT_ALIASES, NEEDS, instances
from skuad.utils._testing_images import make_images
from skuad.utils.discovery import all_estimators, public_modules
from skuad.utils.estimator_checks import parametrize_with_image_checks

INSTANCES = [item for items in instances().values() for item in items]
OF_IMAGES = [
    item
    for item in INSTANCES
    if get_tags(item).input_tags.three_d_array and hasattr(item, "transform")
]


class _PlainDetector(OutlierMixin, TransformerMixin, BaseEstimator):
    """The tags that scikit-learn's battery goes by, and nothing else."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class _PlainOutlierDetector(OutlierMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self


class _PlainEstimator(BaseEstimator):
    def fit(self, X, y=None):
        return self


class _PlainTransformer(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class _PlainStatelessTransformer(_PlainTransformer):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _reference(estimator):
    if get_tags(estimator).estimator_type == "outlier_detector":
        return (
            _PlainDetector()
            if hasattr(estimator, "transform")
            else _PlainOutlierDetector()
        )
    if not hasattr(estimator, "transform"):
        return _PlainEstimator()
    if get_tags(estimator).requires_fit:
        return _PlainTransformer()
    return _PlainStatelessTransformer()


def _check_name(check):
    return getattr(check, "func", check).__name__


def test_every_public_estimator_has_an_instance():
    names = {name for name, _ in all_estimators()}
    assert names == set(instances()) | CHECKPOINT_ALIASES
    for name, items in instances().items():
        assert items or not find_spec(NEEDS[name])
        assert all(type(item).__name__ == name for item in items)


@pytest.mark.parametrize("name", NEEDS)
def test_packages_of_networks_are_installed(name):
    """A run without them says so: their estimators pass no battery then."""
    if not find_spec(NEEDS[name]):
        pytest.skip(f"{name} is not tested: {NEEDS[name]} is not installed")


@pytest.mark.parametrize("estimator", INSTANCES, ids=lambda e: str(e).split("(")[0])
@pytest.mark.filterwarnings("ignore:y is not coded:UserWarning")
def test_scikit_learn_battery(estimator):
    """All checks pass, none is skipped, and none is missing."""
    # An instance with a contamination, say, gets more checks than the plain reference.
    expected = Counter(
        _check_name(check)
        for _, check in estimator_checks_generator(_reference(estimator))
    )
    results = check_estimator(clone(estimator), on_fail=None, on_skip=None)
    for result in results:
        assert result["status"] == "passed", (
            result["check_name"],
            result["status"],
            result["exception"],
        )
    assert expected <= Counter(result["check_name"] for result in results)


@parametrize_with_image_checks(OF_IMAGES)
def test_image_battery(estimator, check):
    check(estimator)


@parametrize_with_image_checks(
    [
        clone(item).set_params(**{name: size})
        for item in OF_IMAGES
        for name in item.get_params()
        if name.split("__")[-1] == "batch_size"
        for size in (3, 8)
    ],
    rtol=1e-4,
)
def test_image_battery_in_batches(estimator, check):
    """A network's numbers depend on the batch by no more than rounding."""
    check(estimator)


def _assert_plain(value, where):
    """Arrays, strings, numbers, containers of them, and estimators of such state."""
    if isinstance(value, Pipeline):
        _assert_plain(value.steps, where)
    elif type(value).__module__.startswith("sklearn."):
        assert isinstance(value, BaseEstimator), f"{where} is {type(value)}"
    elif isinstance(value, BaseEstimator):
        for name, item in value.__getstate__().items():
            _assert_plain(item, f"{where}.{name}")
    elif isinstance(value, dict):
        for name, item in value.items():
            _assert_plain(item, f"{where}[{name!r}]")
    elif isinstance(value, list | tuple | set):
        for item in value:
            _assert_plain(item, where)
    else:
        assert value is None or isinstance(
            value, str | bytes | bool | int | float | np.ndarray | np.generic
        ), f"{where} is {type(value)}"


@pytest.mark.parametrize("estimator", OF_IMAGES, ids=lambda e: str(e).split("(")[0])
def test_fitted_state_is_plain(estimator):
    """What is saved holds no module, handle or foreign object."""
    _assert_plain(clone(estimator).fit(make_images(8)), type(estimator).__name__)


def test_all_names_exist():
    for module in public_modules():
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"
        assert list(module.__all__) == sorted(module.__all__), module.__name__


def test_import_is_light():
    code = (
        "import sys, skuad; "
        "print([m for m in ('torch', 'matplotlib', 'pandas', 'anomalib', 'cv2',"
        " 'open_clip', 'timm', 'skimage', 'tqdm') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
