"""Which detectors there are, and what they need."""

from dataclasses import dataclass
from typing import Any, ClassVar

from skuad.base import MapDetector
from skuad.utils.discovery import all_estimators


@dataclass(frozen=True)
class DetectorTags:
    """What a detector is and needs.

    Attributes
    ----------
    name : str
        Name of the class.
    estimator : type
        The class.
    model : str or None
        The published method; None where it depends on arguments.
    backend : str
        What computes: ``"numpy"`` or ``"torch"``. That of a detector round another one
        or round an embedder is that of its default.
    requires_checkpoint : bool
        Whether it runs a model that was trained elsewhere on this task.
    zero_shot : bool
        Whether it works without good images.
    weights : str or None
        Where weights come from: ``"checkpoint"``, ``"pretrained"``, or None if there are
        none by default.
    """

    name: str
    estimator: type
    model: str | None = None
    backend: str = "numpy"
    requires_checkpoint: bool = False
    zero_shot: bool = False
    weights: str | None = None

    KEYS: ClassVar[tuple[str, ...]] = (
        "model",
        "backend",
        "requires_checkpoint",
        "zero_shot",
        "weights",
    )


# The published names of classes of anomalib that are spelt otherwise.
_PUBLISHED = {"EfficientAd": "EfficientAD", "Padim": "PaDiM", "Patchcore": "PatchCore"}
_CHECKPOINT: dict[str, Any] = {
    "backend": "torch",
    "requires_checkpoint": True,
    "weights": "checkpoint",
}
_OPENCLIP: dict[str, Any] = {"backend": "torch", "weights": "pretrained"}
_TAGS: dict[str, dict[str, Any]] = {
    "AnomalibCheckpointDetector": _CHECKPOINT,
    "OpenCLIPPatchKNN": {"model": "PatchCore", **_OPENCLIP},
    "OpenCLIPPromptScore": {"model": "WinCLIP", "zero_shot": True, **_OPENCLIP},
    "PaDiM": {"model": "PaDiM"},
    "PatchKNN": {"model": "PatchCore"},
}


def _tags(name: str, estimator: type) -> DetectorTags:
    if (model := getattr(estimator, "_model", None)) is not None:
        model = _PUBLISHED.get(model, model)
        return DetectorTags(name, estimator, model=model, **_CHECKPOINT)
    return DetectorTags(name, estimator, **_TAGS.get(name, {}))


def list_detectors(**tags: str | bool | None) -> list[DetectorTags]:
    """List the detectors of the library.

    Parameters
    ----------
    **tags
        Values that the tags must have: `model`, `backend`, `requires_checkpoint`,
        `zero_shot` or `weights`.

    Returns
    -------
    detectors : list of DetectorTags
        By name.

    Raises
    ------
    ValueError
        If there is no such tag.

    Examples
    --------
    >>> from skuad.detectors import list_detectors
    >>> [found.name for found in list_detectors(requires_checkpoint=True)][:2]
    ['AnomalibCheckpointDetector', 'DinomalyCheckpoint']
    >>> [found.name for found in list_detectors(model="PaDiM", backend="torch")]
    ['PadimCheckpoint']
    """
    unknown = sorted(set(tags) - set(DetectorTags.KEYS))
    if unknown:
        raise ValueError(
            f"detectors have no tag {unknown[0]!r}: the tags are "
            f"{', '.join(DetectorTags.KEYS)}"
        )
    detectors = [
        _tags(name, estimator)
        for name, estimator in all_estimators()
        if issubclass(estimator, MapDetector)
    ]
    return [
        found
        for found in detectors
        if all(getattr(found, key) == value for key, value in tags.items())
    ]
