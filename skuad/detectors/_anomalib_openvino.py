"""Networks that anomalib exported to OpenVINO or ONNX, run by OpenVINO."""

import os

import cv2
import numpy as np

from skuad.detectors._anomalib_geometry import map_at_image_size
from skuad.detectors._anomalib_thresholds import Thresholds
from skuad.utils._groups import apply_by_group
from skuad.utils._optional import import_optional

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

    def __init__(self, graph, name, device, path):
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
        self._size = None
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

    def run(self, images) -> list:
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

    def _run_alike(self, inputs, group):
        output = self._compiled(np.concatenate(inputs))
        maps = [None] * len(inputs)
        if self.has_map:
            maps = output[1].reshape(len(inputs), *output[1].shape[-2:])
        return zip(maps, output[0].reshape(len(inputs)).tolist(), strict=True)

    def _as_input(self, image):
        if self._size is not None and image.shape[:2] != self._size:
            shrinks = image.shape[0] * image.shape[1] > self._size[0] * self._size[1]
            image = cv2.resize(
                image,
                self._size[::-1],
                interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
            )
        return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def _at_image_size(anomaly_map, image_shape):
    if anomaly_map is None:
        return None
    return map_at_image_size(anomaly_map, image_shape, (0, 0, *image_shape))


def load_openvino_network(source, *, model, device, needed_by) -> OpenvinoNetwork:
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


def raw_output(output):
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


def _limits(graph) -> dict:
    """Return the numbers that normalised values are compared with, by output."""
    limits = {}
    for label, name in (("pred_label", "pred_score"), ("pred_mask", "anomaly_map")):
        for output in graph.outputs:
            if output.get_any_name() == label:
                compared = output.get_node().input_value(0).get_node()
                if compared.get_type_name() == "Greater":
                    limits[name] = _constant(compared.input_value(1))
    return limits


def _threshold(outputs, raw, name, limits):
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


def _nodes_between(node, end):
    """Yield a node and those that it depends on, up to another one."""
    if node.get_friendly_name() == end.get_friendly_name():
        return
    yield node
    for i in range(node.get_input_size()):
        yield from _nodes_between(node.input_value(i).get_node(), end)


def _constant(value) -> float:
    node = value.get_node()
    if node.get_type_name() != "Constant":
        return float("nan")
    return float(np.ravel(node.data)[0])


def _require_no_crop(graph, path):
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
