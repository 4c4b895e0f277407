"""Networks that anomalib exported to OpenVINO or ONNX, run by OpenVINO."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from skuad.detectors._anomalib_geometry import RawResult, map_at_image_size
from skuad.detectors._anomalib_thresholds import Thresholds
from skuad.utils._groups import apply_by_group
from skuad.utils._optional import import_optional
from skuad.utils._typing import Array
from skuad.weights._holder import WeightsSource

SUFFIXES = (".xml", ".onnx")


def companion_of(path: str) -> str | None:
    """Return the file beside an exported network that holds its weights, if any."""
    for other in (os.path.splitext(path)[0] + ".bin", path + ".data"):
        if os.path.isfile(other):
            return other
    return None


class OpenvinoNetwork:
    """An exported network; its raw scores and maps, before they are normalised and cut.

    Parameters
    ----------
    graph : openvino.Model
        With the outputs ``pred_score`` and maybe ``anomaly_map``.
    name : str
        Class of anomalib, as far as it is known.
    device : str
        Of OpenVINO, such as ``"CPU"``.
    path : str
        Of the file, for messages.
    """

    backend = "openvino"

    def __init__(self, graph: Any, name: str, device: str, path: str):
        import openvino

        self.name = name
        outputs = {
            output.get_any_name(): output
            for output in graph.outputs
            if output.get_any_name() in ("pred_score", "anomaly_map")
        }
        if "pred_score" not in outputs:
            raise ValueError(
                f"{path} has no output pred_score: it was not exported by anomalib"
            )
        _require_no_crop(graph, path)
        limits = _limits(graph)
        raw = {name: raw_output(output) for name, output in outputs.items()}
        self.thresholds = Thresholds(
            image=_threshold(outputs, raw, "pred_score", limits),
            pixel=_threshold(outputs, raw, "anomaly_map", limits),
        )
        self.has_map = "anomaly_map" in raw
        shape = graph.inputs[0].get_partial_shape()
        self._one_by_one = shape[0].is_static and shape[0].get_length() == 1
        self._size: tuple[int, int] | None = None
        if shape[2].is_static and shape[3].is_static:
            self._size = shape[2].get_length(), shape[3].get_length()
        names = ["pred_score", "anomaly_map"][: len(raw)]
        cut = openvino.Model(
            [raw[name] for name in names], graph.get_parameters(), "raw"
        )
        # bfloat16, which OpenVINO takes where it can, would change the scores.
        self._compiled = openvino.Core().compile_model(
            cut, device, {"INFERENCE_PRECISION_HINT": "f32"}
        )

    def run(self, images: Sequence[NDArray[np.float32]]) -> list[RawResult]:
        """Run on images (H, W, 3) of float32 in [0, 1], of any sizes.

        Returns
        -------
        results : list of (ndarray of shape (H, W) or None, float)
            Map at the image's own size, and raw score, both high where anomalous.
        """
        inputs = [self._as_input(image) for image in images]
        # Each is a group of its own where the network takes one image at a time.
        groups = [
            (x.shape, number if self._one_by_one else 0)
            for number, x in enumerate(inputs)
        ]
        found = apply_by_group(self._run_alike, inputs, groups)
        return [
            (_at_image_size(anomaly_map, image.shape[:2]), score)
            for image, (anomaly_map, score) in zip(images, found, strict=True)
        ]

    def _run_alike(
        self, inputs: list[NDArray[np.float32]], group: tuple[tuple[int, ...], int]
    ) -> Iterable[RawResult]:
        output = self._compiled(np.concatenate(inputs))
        maps: Sequence[NDArray[np.float32] | None] = [None] * len(inputs)
        if self.has_map:
            maps = output[1].reshape(len(inputs), *output[1].shape[-2:])
        return zip(maps, output[0].reshape(len(inputs)).tolist(), strict=True)

    def _as_input(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels: Array = image
        if self._size is not None and image.shape[:2] != self._size:
            shrinks = image.shape[0] * image.shape[1] > self._size[0] * self._size[1]
            pixels = cv2.resize(
                image,
                self._size[::-1],
                interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
            )
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def _at_image_size(
    anomaly_map: NDArray[np.float32] | None, image_shape: tuple[int, ...]
) -> NDArray[np.float32] | None:
    if anomaly_map is None:
        return None
    height, width = image_shape
    return map_at_image_size(anomaly_map, (height, width), (0, 0, height, width))


def load_openvino_network(
    source: WeightsSource, *, model: str | None, device: str, needed_by: str
) -> OpenvinoNetwork:
    """Load an ``.xml`` of OpenVINO or an ``.onnx``; neither holds code.

    Raises
    ------
    ImportError
        If OpenVINO is not installed.
    ValueError
        If the file cannot be read, or was not exported by anomalib.
    """
    openvino = import_optional("openvino", extra="openvino", needed_by=needed_by)
    try:
        graph = openvino.Core().read_model(source.path)
    except RuntimeError as error:
        raise ValueError(
            f"{source.path} cannot be read by OpenVINO: it is damaged, or the file with "
            f"its weights is not beside it ({str(error).strip().splitlines()[-1]})"
        ) from error
    device = "CPU" if device in ("auto", "cpu") else device.upper()
    return OpenvinoNetwork(graph, model or "unknown", device, source.path)


def raw_output(output: Any) -> Any:
    """Return an output as it is before anomalib's post-processor normalises and cuts it.

    The post-processor ends in a choice between the normalised value and the value
    itself, or, in older exports, in a cut at 0 and 1.
    """
    last = output.get_node().input_value(0)
    kind = last.get_node().get_type_name()
    if kind == "Select":
        return last.get_node().input_value(2)
    if kind == "Clamp":
        return last.get_node().input_value(0)
    return last


def _limits(graph: Any) -> dict[str, float]:
    """Return the numbers that normalised values are compared with, by output."""
    limits: dict[str, float] = {}
    for label, name in (("pred_label", "pred_score"), ("pred_mask", "anomaly_map")):
        for output in graph.outputs:
            if output.get_any_name() == label:
                compared = output.get_node().input_value(0).get_node()
                if compared.get_type_name() == "Greater":
                    limits[name] = _constant(compared.input_value(1))
    return limits


def _threshold(
    outputs: dict[str, Any], raw: dict[str, Any], name: str, limits: dict[str, float]
) -> float:
    """Return the threshold on the raw values of an output, NaN if there is none."""
    limit = limits.get(name, float("nan"))
    if name not in outputs:
        return float("nan")
    last = outputs[name].get_node().input_value(0).get_node()
    if last.get_type_name() != "Select":
        return limit
    middle, factor = float("nan"), float("nan")
    for node in _nodes_between(last.input_value(1).get_node(), raw[name].get_node()):
        if node.get_type_name() == "Greater":
            middle = _constant(node.input_value(1))
        elif node.get_type_name() == "Multiply":
            factor = _constant(node.input_value(1))
        elif node.get_type_name() == "Divide":
            factor = 1 / _constant(node.input_value(1))
    return middle if limit == 0.5 else middle + (limit - 0.5) / factor


def _nodes_between(node: Any, end: Any) -> Iterator[Any]:
    """Yield a node and those that it depends on, up to another one."""
    if node.get_friendly_name() == end.get_friendly_name():
        return
    yield node
    for i in range(node.get_input_size()):
        yield from _nodes_between(node.input_value(i).get_node(), end)


def _constant(value: Any) -> float:
    node = value.get_node()
    if node.get_type_name() != "Constant":
        return float("nan")
    return float(np.ravel(node.data)[0])


def _require_no_crop(graph: Any, path: str) -> None:
    """Raise if the network cuts images: where, cannot be told from what it gives."""
    outputs = [parameter.output(0) for parameter in graph.get_parameters()]
    while outputs:
        for node in (target.get_node() for target in outputs.pop().get_target_inputs()):
            if node.get_type_name() in ("StridedSlice", "Slice"):
                raise ValueError(
                    f"{path} cuts off the rim of images, and does not say where its map "
                    "lies: give the .ckpt file, of which this is known"
                )
            shape = node.get_output_partial_shape(0)
            if shape.rank.get_length() == 4 and shape[1] == 3:  # still an image
                outputs.append(node.output(0))
