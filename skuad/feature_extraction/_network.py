"""What embedders by a pretrained network have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from skuad.feature_extraction._base import Embedder
from skuad.feature_extraction._patch_network import Layers, Merge, PatchNetwork
from skuad.utils._groups import apply_by_group
from skuad.utils._optional import import_optional
from skuad.utils._param_validation import HasMethods, Interval, StrOptions
from skuad.utils._torch import (
    load_network,
    resolve_device,
    resolve_dtype,
    run_in_batches,
)
from skuad.utils._typing import Array, ImagesLike, TargetsLike
from skuad.weights import WeightsHolder

if TYPE_CHECKING:
    from typing_extensions import Self

#: Size of the input: the image's own, its shorter side, or height and width.
ImageSize: TypeAlias = int | Sequence[int] | None

_Result = TypeVar("_Result")


class NetworkEmbedder(WeightsHolder, Embedder):
    """Base of embedders by a pretrained network.

    A subclass has the parameters `layers`, `image_size`, `average`, `data_range`,
    `device`, `dtype`, `batch_size`, `store_weights` and `memory`, names its `_extra`,
    and writes

    - ``_find_weights()``: the path of the file of weights;
    - ``_network_key()``: what the network depends on beside the weights, a tuple;
    - ``_build_network(source)``: a `PatchNetwork` on the CPU, in float32.
    """

    _extra: ClassVar[str]
    layers: Layers
    image_size: ImageSize
    average: int | None
    data_range: float | None = None
    merge: Merge = "concatenate"
    device: str
    dtype: str
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "layers": ["array-like", None],
        "image_size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "average": [Interval(Integral, 1, None, closed="left"), None],
        "data_range": [Interval(Real, 0, None, closed="neither"), None],
        "device": [str],
        "dtype": [StrOptions({"auto", "float32", "bfloat16"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "store_weights": ["boolean"],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
    }

    def fit(self, X: ImagesLike, y: TargetsLike = None) -> Self:
        """Check the parameters and record the weights.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : estimator
        """
        super().fit(X, y)
        self._hold_weights()
        self._network()
        return self

    def _network(self) -> tuple[PatchNetwork, tuple[Any, ...]]:
        """Return the network, its weights loaded once per process, with its key."""
        _check_image_size(self.image_size)
        if self.average is not None and self.average % 2 == 0:
            raise ValueError(
                f"average={self.average} is even: a patch would not be in the middle of "
                "the square that it is averaged over"
            )
        import_optional("torch", extra=self._extra, needed_by=type(self).__name__)
        device = resolve_device(self.device)
        dtype = resolve_dtype(self.dtype, device)
        source = self._weights_source()
        key = (type(self), self._network_key(), source.sha256, device, dtype)

        def build() -> PatchNetwork:
            return self._build_network(source).to(device, dtype)

        return load_network(key, build), key

    def _cache_settings(self) -> tuple[Any, ...]:
        # Where the weights lie does not matter, but what they are.
        ignored = {"weights", "batch_size", "store_weights", "device"}
        version, module, name, parameters = super()._cache_settings()
        parameters = {k: v for k, v in parameters.items() if k not in ignored}
        import_optional("torch", extra=self._extra, needed_by=type(self).__name__)
        parameters["dtype"] = resolve_dtype(self.dtype, resolve_device(self.device))
        return version, module, name, parameters, self._weights_source().sha256

    def _embed(self, images: list[Array]) -> list[NDArray[np.float32]]:
        network, key = self._network()

        def embed(
            batch: list[Array], shape: tuple[int, int]
        ) -> list[NDArray[np.float32]]:
            return network.embed(
                batch,
                shape,
                layers=self.layers,
                average=self.average,
                data_range=self.data_range,
                merge=self.merge,
            )

        stride = network.stride(self.layers)
        return run_by_shape(embed, images, self.image_size, stride, key=key)


def run_by_shape(
    run: Callable[[list[Array], tuple[int, int]], list[_Result]],
    images: Sequence[Array],
    image_size: ImageSize,
    stride: int,
    *,
    key: tuple[Any, ...],
) -> list[_Result]:
    """Run a network on images of any sizes, those of one input size together.

    Parameters
    ----------
    run : callable
        From a list of images, and height and width of the input, to a list of results.
    images : list of ndarray
        The images.
    image_size : None, int or pair of int
        Size of the input: the image's own, its shorter side, or height and width.
    stride : int
        Both sides of the input are multiples of it.
    key : tuple
        Of the network; see `run_in_batches`.

    Returns
    -------
    results : list
        One per image.
    """

    def run_alike(alike: list[Array], shape: tuple[int, int]) -> list[_Result]:
        return run_in_batches(lambda batch: run(batch, shape), alike, key=(*key, shape))

    shapes = [_input_shape(image, image_size, stride) for image in images]
    return apply_by_group(run_alike, images, shapes)


def _check_image_size(image_size: ImageSize) -> None:
    if image_size is None or isinstance(image_size, int | np.integer):
        return
    sizes = list(image_size)
    if len(sizes) != 2 or not all(isinstance(s, Integral) and s > 0 for s in sizes):
        raise ValueError(
            f"image_size={image_size!r} is no size: give the length of the shorter side, "
            "or (height, width), in whole pixels above 0, or None for the image's own"
        )


def _input_shape(image: Array, image_size: ImageSize, stride: int) -> tuple[int, int]:
    """Return the size at which an image goes through the network."""
    height, width = image.shape[:2]
    if image_size is None:
        down, across = float(height), float(width)
    elif isinstance(image_size, int | np.integer):
        scale = image_size / min(height, width)
        down, across = height * scale, width * scale
    else:
        down, across = image_size
    return _multiple(down, stride), _multiple(across, stride)


def _multiple(side: float, stride: int) -> int:
    """Return the nearest multiple of a stride, at least one."""
    return max(1, round(side / stride)) * stride
