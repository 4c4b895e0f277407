"""Patch features by the image tower of any OpenCLIP model."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from skuad.feature_extraction._base import MemoryLike
from skuad.feature_extraction._network import ImageSize, NetworkEmbedder
from skuad.feature_extraction._openclip import build_openclip_network
from skuad.feature_extraction._openclip_config import (
    find_openclip_weights,
    read_openclip_config,
)
from skuad.feature_extraction._patch_network import Layers, PatchNetwork
from skuad.utils._optional import import_optional
from skuad.utils._typing import StrPath
from skuad.weights import WeightsHolder
from skuad.weights._holder import WeightsSource

if TYPE_CHECKING:
    from typing_extensions import Self


class OpenCLIPWeightsHolder(WeightsHolder):
    """Mixin of estimators with the parameters `model_name` and `pretrained`.

    Attributes
    ----------
    config_ : dict
        The model's configuration in fit, as open_clip has it.
    """

    model_name: StrPath
    pretrained: StrPath
    _extra = "openclip"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model_name": [str, os.PathLike],
        "pretrained": [str, os.PathLike],
    }

    def _hold_weights(self) -> None:
        super()._hold_weights()
        self.config_: dict[str, Any] = read_openclip_config(
            self.model_name, self.pretrained
        )

    def _find_weights(self) -> Path:
        self._require_openclip()
        return find_openclip_weights(self.model_name, self.pretrained)

    def _config(self) -> dict[str, Any]:
        """Return the model's configuration; a fitted estimator keeps that of fit."""
        if hasattr(self, "config_"):
            return self.config_
        self._require_openclip()
        return read_openclip_config(self.model_name, self.pretrained)

    def _require_openclip(self) -> None:
        import_optional("open_clip", extra=self._extra, needed_by=type(self).__name__)


class OpenCLIPEmbedder(OpenCLIPWeightsHolder, NetworkEmbedder):
    """Embed patches by the image tower of an OpenCLIP model, with local weights.

    An image goes through the tower whole, without cropping, at any size: the table of
    positions is resampled as open_clip does [1]_. Only the image tower is kept.

    Parameters
    ----------
    model_name : str or path-like, default="ViT-B-16"
        A model of open_clip: its own ViT, a ResNet or a backbone of timm; or a JSON file
        with a model's configuration, such as ``open_clip_config.json``.
    pretrained : str or path-like, default="laion2b_s34b_b88k"
        A tag of the model, whose file open_clip has in its cache or which lies in one of
        `skuad.weights.weights_folders` as ``MODEL.TAG.safetensors``; or a path, or a name
        for `skuad.weights.find_weights`. Nothing is downloaded.
    layers : array-like of int or None, default=None
        Blocks of a transformer, or stages of a convolutional network; negative ones
        count from the end. By default the blocks at half and three quarters of a
        transformer: the last ones serve the caption rather than the place. Of a
        convolutional network, strides 8 and 16.
    image_size : None, int or pair of int, default=None
        Size at which an image goes through the network, without cropping: its own size,
        the length of its shorter side, or height and width, in pixels. It is rounded to
        multiples of the patch size.
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
    config_ : dict
        The model's configuration in fit, as open_clip has it.
    weights_path_ : str
        Where the weights were in fit.
    weights_sha256_ : str
        Their SHA-256.
    weights_ : ndarray of uint8
        The file's content, with ``store_weights=True`` only.

    See Also
    --------
    TimmEmbedder : Any backbone of timm.

    Notes
    -----
    Tokens of a transformer are normalised by its last layer norm, if that has their
    width.

    References
    ----------
    .. [1] G. Ilharco et al., "OpenCLIP", 2021, https://github.com/mlfoundations/open_clip

    Examples
    --------
    >>> from skuad.feature_extraction import OpenCLIPEmbedder
    >>> OpenCLIPEmbedder("ViT-L-14-336", "openai", layers=[11, 17], image_size=518)
    OpenCLIPEmbedder(image_size=518, layers=[11, 17], model_name='ViT-L-14-336',
                     pretrained='openai')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **OpenCLIPWeightsHolder._parameter_constraints,
        **NetworkEmbedder._parameter_constraints,
    }

    def __init__(
        self,
        model_name: StrPath = "ViT-B-16",
        pretrained: StrPath = "laion2b_s34b_b88k",
        *,
        layers: Layers = None,
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
        self.pretrained = pretrained
        self.layers = layers
        self.image_size = image_size
        self.average = average
        self.data_range = data_range
        self.device = device
        self.dtype = dtype
        self.batch_size = batch_size
        self.store_weights = store_weights
        self.memory = memory

    def record_weights(self) -> "Self":
        """Find the weights and record them, as `fit` does, without an image.

        Returns
        -------
        self : estimator
        """
        self._hold_weights()
        return self

    def _network_key(self) -> tuple[str]:
        return (json.dumps(self._config(), sort_keys=True),)

    def _build_network(self, source: WeightsSource) -> PatchNetwork:
        self._require_openclip()
        return build_openclip_network(self._config(), source)

    def _cache_settings(self) -> tuple[Any, ...]:
        return (*super()._cache_settings(), self._config())
