"""Checks that an image transformer or map detector keeps its promises on images.

They stand beside scikit-learn's own battery, which feeds 2-D arrays, and serve
detectors of other libraries too: see `parametrize_with_image_checks`.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sklearn.utils import get_tags

from skuad.utils import _checks_of_detectors as of_detectors
from skuad.utils import _checks_of_images as of_images

__all__ = ["image_checks", "parametrize_with_image_checks"]

_Test = TypeVar("_Test", bound=Callable[..., None])


def parametrize_with_image_checks(
    estimators: Sequence[Any], *, rtol: float = 0.0
) -> Callable[[_Test], _Test]:
    """Parametrize a pytest function with all checks of all estimators.

    Parameters
    ----------
    estimators : list of estimator
        Instances: map detectors (outlier detectors whose ``transform`` gives maps) or
        image transformers.
    rtol : float, default=0.0
        Relative tolerance of values that must not depend on the batch or the container;
        0 wants equal bits. Networks in float32 need 1e-4.

    Returns
    -------
    decorator : pytest.mark.parametrize

    Examples
    --------
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.utils.estimator_checks import parametrize_with_image_checks
    >>> @parametrize_with_image_checks([PatchKNN(random_state=0)])
    ... def test_images(estimator, check):
    ...     check(estimator)
    """
    import pytest

    return pytest.mark.parametrize(
        ("estimator", "check"),
        [
            pytest.param(
                estimator, check, id=f"{_short_name(estimator)}-{check.func.__name__}"
            )
            for estimator in estimators
            for check in image_checks(estimator, rtol=rtol)
        ],
    )


def image_checks(estimator: Any, *, rtol: float = 0.0) -> list[partial[None]]:
    """List the checks that apply to an estimator, each a function of it.

    Parameters
    ----------
    estimator : estimator
        A map detector or an image transformer.
    rtol : float, default=0.0
        See `parametrize_with_image_checks`.

    Returns
    -------
    checks : list of callable
    """
    checks = _COMMON_CHECKS + (
        _DETECTOR_CHECKS if _is_detector(estimator) else _TRANSFORMER_CHECKS
    )
    return [partial(check, rtol=rtol) for check in checks]


def _is_detector(estimator: Any) -> bool:
    return get_tags(estimator).estimator_type == "outlier_detector"


def _short_name(estimator: Any) -> str:
    # Files by their names: parallel test runs have folders of their own.
    name = re.sub(r"'[^']*[/\\]([^'/\\]*)'", r"'\1'", str(estimator))
    return " ".join(name.split())[:60]


_COMMON_CHECKS = [
    of_images.check_input_is_unchanged,
    of_images.check_containers_agree,
    of_images.check_batch_does_not_matter,
    of_images.check_dtypes,
    of_images.check_pickle,
    of_images.check_refit,
    of_images.check_pipeline,
    of_images.check_bad_images,
]
_TRANSFORMER_CHECKS = [
    of_images.check_lazy,
    of_images.check_later_changes_do_not_reach_lazy_results,
]
_DETECTOR_CHECKS = [
    of_detectors.check_maps_have_the_image_size,
    of_detectors.check_signs,
    of_detectors.check_views_agree,
    of_detectors.check_defects_in_training_are_left_out,
    of_detectors.check_threshold_is_on_unseen_images,
]
