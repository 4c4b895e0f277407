"""What a fitted detector says of itself."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skuad.utils._typing import Array


def fitted_facts(estimator: Any) -> list[tuple[str, str]]:
    """Name what fit found: number of training images, size of the bank, threshold.

    Parameters
    ----------
    estimator : estimator
        Fitted or not; a detector, a pipeline or a search, or a detector round another.

    Returns
    -------
    facts : list of (str, str)
        Names and values, for people. Empty if it is not fitted.
    """
    found: dict[str, Any] = {}
    for part in _parts(estimator, set()):
        for name, value in vars(part).items():
            if name in _FACTS and value is not None:
                found.setdefault(name, value)
    if "weights_sha256_" in found:
        found["weights_path_"] += f" (SHA-256 {found['weights_sha256_']})"
    return [
        (title, text(found[name]))
        for name, (title, text) in _FACTS.items()
        if name in found and text is not None
    ]


def _bank(bank: Array) -> str:
    return f"{len(bank):,} rows of {bank.shape[1]} features"


def _threshold(offset: float) -> str:
    return "none" if np.isnan(offset) else f"anomaly score {-offset:.4g}"


_FACTS: dict[str, tuple[str, Callable[[Any], str] | None]] = {
    "n_images_": ("training images", "{:,}".format),
    "n_patches_": ("training patches", "{:,}".format),
    "bank_": ("bank", _bank),
    "offset_": ("threshold", _threshold),
    "weights_path_": ("weights", str),
    "weights_sha256_": ("SHA-256 of the weights", None),
}


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield an estimator and the fitted ones in it, from the outside to the inside."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item, seen)
    elif isinstance(value, BaseEstimator) and id(value) not in seen:
        seen.add(id(value))
        yield value
        for name, part in vars(value).items():
            # What a parameter holds is not fitted, but for the steps of a pipeline.
            if name.endswith("_") or name == "steps":
                yield from _parts(part, seen)


class FittedReprMixin:
    """Adds what fit found to the HTML that scikit-learn makes of an estimator."""

    def _repr_html_inner(self) -> str:
        inner = super()._repr_html_inner()  # type: ignore[misc]  # BaseEstimator's
        return _as_html(fitted_facts(self)) + inner

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]  # so is it
        if "text/html" in bundle:
            bundle["text/html"] = self._repr_html_inner()
        return bundle


def _as_html(facts: list[tuple[str, str]]) -> str:
    if not facts:
        return ""
    items = (
        f"<span><b>{escape(name)}</b> {escape(value)}</span>" for name, value in facts
    )
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:.2em 1.2em;margin-bottom:.3em">'
        f"{''.join(items)}</div>"
    )
