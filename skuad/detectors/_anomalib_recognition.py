"""Which class of anomalib a checkpoint is of: the file does not say."""

import difflib
import inspect
import re
from types import ModuleType
from typing import Any

COMPONENTS = ("pre_processor", "post_processor", "evaluator", "visualizer")

# The parts of the networks, which are different for all of these classes.
_PARTS = {
    "AnomalyDINO": "anomaly_map_generator feature_encoder memory_bank",
    "Cflow": "decoders encoder",
    "Dfkde": "classifier feature_extractor",
    "Dfm": "feature_extractor gaussian_model pca_model",
    "Dinomaly": "bottleneck decoder encoder gaussian_blur",
    "EfficientAd": "ae mean_std quantiles student teacher",
    "Fastflow": "fast_flow_blocks feature_extractor norms",
    "FoundAD": "encoder gaussian_blur projector",
    "Fre": "feature_extractor fre_model",
    "Ganomaly": "discriminator generator",
    "GeneralAD": "discriminator feature_extractor",
    "Padim": "anomaly_map_generator feature_extractor gaussian idx",
    "Patchcore": "anomaly_map_generator feature_extractor memory_bank",
    "Patchflow": "feature_adaptor feature_extractor flow",
    "ReverseDistillation": "bottleneck decoder encoder",
    "Stfpm": "student_model teacher_model",
    "Supersimplenet": "adaptor anomaly_map_generator feature_extractor segdec",
    "Uflow": "feature_extractor flow",
}
_BY_PARTS = {frozenset(parts.split()): name for name, parts in _PARTS.items()}


def constructor_names(model_class: Any) -> set[str]:
    """Return the names of the arguments that a class of anomalib is built with."""
    return set(inspect.signature(model_class.__init__).parameters) - {"self"}


def recognise_class(
    checkpoint: dict[str, Any], path: str, models: ModuleType
) -> str | None:
    """Recognise the class of a Lightning checkpoint.

    By the parts of its network, then by the names of its hyper-parameters, then by the
    folder ``results/<Class>/`` that anomalib writes to.

    Parameters
    ----------
    checkpoint : dict
        With ``state_dict`` and maybe ``hyper_parameters``.
    path : str
        Where the file is.
    models : module
        ``anomalib.models``.

    Returns
    -------
    name : str or None
        None if it is not clear.
    """
    parts = {
        name.split(".")[1]
        for name in checkpoint["state_dict"]
        if name.startswith("model.")
    }
    if (name := _BY_PARTS.get(frozenset(parts))) is not None:
        return name
    given = set(checkpoint.get("hyper_parameters") or ()) - set(COMPONENTS)
    matching = [
        name
        for name in models.__all__
        if constructor_names(getattr(models, name)) - set(COMPONENTS) == given
    ]
    if given and len(matching) == 1:
        return matching[0]
    folders = re.split(r"[\\/]", path)
    return next((name for name in folders if name in models.__all__), None)


def choose_class(
    model: str | None, recognised: str | None, path: str, models: ModuleType
) -> str:
    """Return the name of the class to build, from what is asked for and what is found.

    Raises
    ------
    ValueError
        If there is no such class, it is not that of the file, or it is not known.
    """
    if model is not None and model not in models.__all__:
        near = difflib.get_close_matches(model, models.__all__, 3, 0.4)
        raise ValueError(
            f"anomalib has no model {model!r}"
            + (f": did you mean {' or '.join(near)}?" if near else "")
        )
    chosen = recognised if model is None else model
    if chosen is None:
        raise ValueError(
            f"{path} does not tell which model of anomalib it is: pass model=, such as "
            "model='Patchcore'"
        )
    if recognised not in (None, chosen):
        raise ValueError(f"{path} holds a {recognised}, not a {chosen}")
    return chosen
