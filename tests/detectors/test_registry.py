import pytest

import skuad.detectors
from skuad.base import MapDetector
from skuad.detectors import list_detectors
from skuad.detectors._registry import _TAGS


def test_every_detector_is_listed():
    names = {found.name for found in list_detectors()}
    exported = {
        name
        for name in skuad.detectors.__all__
        if isinstance(value := getattr(skuad.detectors, name), type)
        and issubclass(value, MapDetector)
    }
    assert exported | {"ConformalDetector", "MapDecision"} <= names
    assert set(_TAGS) <= names  # none is left behind when a class gets another name


def test_tags_select():
    (found,) = list_detectors(model="Dinomaly")
    assert found.estimator is skuad.detectors.DinomalyCheckpoint
    assert found.backend == "torch" and found.weights == "checkpoint"
    assert all(not found.requires_checkpoint for found in list_detectors(weights=None))
    assert list_detectors(model="no such") == []
    with pytest.raises(ValueError, match="no tag 'colour'"):
        list_detectors(colour="red")
