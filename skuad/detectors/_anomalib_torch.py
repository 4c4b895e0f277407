"""Networks of anomalib, run by torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skuad.detectors._anomalib_file import read_checkpoint, require_anomalib
from skuad.detectors._anomalib_geometry import (
    Box,
    RawResult,
    map_at_image_size,
    seen_box,
    transform_steps,
    with_image_size,
)
from skuad.detectors._anomalib_offline import no_downloads
from skuad.detectors._anomalib_recognition import (
    COMPONENTS,
    choose_class,
    constructor_names,
    recognise_class,
)
from skuad.detectors._anomalib_thresholds import (
    Thresholds,
    settings_of,
    thresholds_of,
)
from skuad.utils._groups import apply_by_group
from skuad.utils._typing import Array
from skuad.weights._holder import WeightsSource

if TYPE_CHECKING:
    import torch


class TorchNetwork:
    """A network with its pre-processing and thresholds, in evaluation mode.

    Parameters
    ----------
    name : str
        Class of anomalib.
    model : torch.nn.Module
        The network itself, without pre- and post-processing.
    transform : torchvision transform or None
        From images (B, 3, H, W) in [0, 1] to what the network takes.
    thresholds : Thresholds
        Of the checkpoint.
    """

    backend = "torch"

    def __init__(self, name: str, model: Any, transform: Any, thresholds: Thresholds):
        self.name = name
        self.model = model
        self.transform = transform
        self.steps = transform_steps(transform)
        self.thresholds = thresholds
        self._boxes: dict[tuple[int, int], Box] = {}

    def to(self, device: str) -> TorchNetwork:
        """Move the network; return it."""
        import torch

        self.device = torch.device(device)
        self.model = self.model.to(self.device).eval().requires_grad_(False)
        return self

    def run(self, images: Sequence[NDArray[np.float32]]) -> list[RawResult]:
        """Run on images (H, W, 3) of float32 in [0, 1], of any sizes.

        Returns
        -------
        results : list of (ndarray of shape (H, W) or None, float)
            Map at the image's own size, and raw score, both high where anomalous.
        """
        import torch

        with torch.inference_mode():
            inputs = [self._as_input(image) for image in images]
            found = apply_by_group(self._run_alike, inputs, [x.shape for x in inputs])
        return [
            (self._at_image_size(anomaly_map, image.shape[:2]), score)
            for image, (anomaly_map, score) in zip(images, found, strict=True)
        ]

    def _as_input(self, image: NDArray[np.float32]) -> torch.Tensor:
        import torch

        x = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
        x = x.permute(2, 0, 1)[None]
        return x if self.transform is None else self.transform(x)

    def _run_alike(
        self, inputs: list[torch.Tensor], shape: torch.Size
    ) -> Iterable[RawResult]:
        import torch

        x = torch.cat(inputs)
        # Convolutions take a fifth less time with the channels last.
        output = self.model(x.contiguous(memory_format=torch.channels_last))
        anomaly_map, score = output.anomaly_map, output.pred_score
        maps: Sequence[Array | None] = [None] * len(x)
        if anomaly_map is not None:
            found = anomaly_map.float().reshape(len(x), *anomaly_map.shape[-2:])
            if score is None:
                score = found.amax((1, 2))
            maps = found.cpu().numpy()
        return zip(maps, score.float().reshape(len(x)).tolist(), strict=True)

    def _at_image_size(
        self, anomaly_map: NDArray[np.float32] | None, image_shape: tuple[int, ...]
    ) -> NDArray[np.float32] | None:
        if anomaly_map is None:
            return None
        height, width = image_shape
        box = self._box((height, width))
        return map_at_image_size(anomaly_map, (height, width), box)

    def _box(self, image_shape: tuple[int, int]) -> Box:
        if image_shape not in self._boxes:
            self._boxes[image_shape] = seen_box(self.steps, image_shape)
        return self._boxes[image_shape]


def load_torch_network(
    source: WeightsSource,
    *,
    model: str | None,
    image_size: int | Sequence[int] | None,
    trust: bool,
    needed_by: str,
) -> TorchNetwork:
    """Load a ``.ckpt`` of Lightning, or a module that anomalib exported.

    Parameters
    ----------
    source : skuad.weights.WeightsSource
        The file.
    model : str or None
        Class that the checkpoint is to be of.
    image_size : int, (int, int) or None
        Instead of the checkpoint's own.
    trust : bool
        Whether pickled objects may be loaded.
    needed_by : str
        For the message if anomalib is not there.

    Raises
    ------
    ImportError
        If anomalib is not installed, too old or too new.
    ValueError
        If the file cannot be used; the message says why.
    """
    models = require_anomalib(needed_by)
    checkpoint = read_checkpoint(source, trust=trust)
    if "state_dict" in checkpoint:
        return _from_lightning(checkpoint, source.path, model, image_size, models)
    return _from_module(checkpoint["model"], source.path, model, image_size, models)


def _from_module(
    module: Any,
    path: str,
    model: str | None,
    image_size: int | Sequence[int] | None,
    models: ModuleType,
) -> TorchNetwork:
    name = choose_class(model, type(module).__name__, path, models)
    transform = getattr(module.pre_processor, "transform", None)
    if image_size is not None:
        transform = with_image_size(transform, image_size)
    post_processor = getattr(module, "post_processor", None)
    thresholds = thresholds_of(module.state_dict(), settings_of(post_processor))
    return TorchNetwork(name, module.model, transform, thresholds)


def _from_lightning(
    checkpoint: dict[str, Any],
    path: str,
    model: str | None,
    image_size: int | Sequence[int] | None,
    models: ModuleType,
) -> TorchNetwork:
    recognised = recognise_class(checkpoint, path, models)
    name = choose_class(model, recognised, path, models)
    model_class = getattr(models, name)
    transform, is_known = _saved_transform(checkpoint, path)
    if not is_known:
        transform = model_class.configure_pre_processor().transform
        warnings.warn(
            f"{path} does not record its pre-processing: that of a new {name} is used. "
            "If it was trained at another size, pass image_size",
            UserWarning,
            stacklevel=3,
        )
    if image_size is not None:
        transform = with_image_size(transform, image_size)
    module = _build(model_class, checkpoint, transform, path)
    settings = checkpoint.get("anomalib_post_processor_config") or {}
    thresholds = thresholds_of(checkpoint["state_dict"], settings)
    return TorchNetwork(name, module.model, transform, thresholds)


def _saved_transform(checkpoint: dict[str, Any], path: str) -> tuple[Any, bool]:
    """Return the transform of a checkpoint, and whether it says which."""
    from anomalib.pre_processing.utils.spec import spec_to_transform

    enabled = checkpoint.get("anomalib_components_enabled") or {}
    if not enabled.get("pre_processor", True):
        return None, True
    pickled: Any = (checkpoint.get("hyper_parameters") or {}).get("pre_processor")
    if hasattr(pickled, "transform"):
        return pickled.transform, True
    spec = (checkpoint.get("anomalib_pre_processor_config") or {}).get("transform")
    if spec is None:
        return None, False
    try:
        return spec_to_transform(spec), True
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path} has a pre-processing that anomalib cannot restore ({error})"
        ) from error


def _build(
    model_class: Any, checkpoint: dict[str, Any], transform: Any, path: str
) -> Any:
    """Build the module as it was, and fill it with the checkpoint's weights."""
    from anomalib.pre_processing import PreProcessor

    names = constructor_names(model_class)
    # Lightning's module is needed for what it does on loading, no more.
    components: dict[str, Any] = dict.fromkeys(COMPONENTS, False)
    if transform is not None:
        components["pre_processor"] = PreProcessor(transform=transform)
    given = {**(checkpoint.get("hyper_parameters") or {}), **components}
    given = {name: value for name, value in given.items() if name in names}
    try:
        with no_downloads(model_class):
            module = model_class(**given)
    except Exception as error:
        raise ValueError(
            f"{path}: {model_class.__name__} cannot be built from its settings "
            f"({type(error).__name__}: {error}). If it needs files from a network, export "
            "it on a machine that has them (Engine.export), and give that file"
        ) from error
    parts = tuple(f"{name}." for name in COMPONENTS)
    state_dict = {
        name: value
        for name, value in checkpoint["state_dict"].items()
        if not name.startswith(parts)
    }
    try:
        # Nothing else uses the tensors: copying those of a Padim takes long.
        wrong = module.load_state_dict(state_dict, strict=False, assign=True)
    except RuntimeError as error:
        raise ValueError(_misfit(path, model_class, error)) from error
    missing = [name for name in wrong.missing_keys if not name.startswith(parts)]
    if missing or wrong.unexpected_keys:
        difference = (
            f"it lacks {missing[0]}"
            if missing
            else f"it has {wrong.unexpected_keys[0]}, which is not known"
        )
        raise ValueError(_misfit(path, model_class, difference))
    return module


def _misfit(path: str, model_class: Any, difference: object) -> str:
    return (
        f"{path} does not fit {model_class.__name__} of the installed anomalib: "
        f"{difference}. It was made by another version, or for another image_size"
    )
