"""Models that were trained with anomalib."""

import os
import warnings
from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skuad.base import MapDetector, good_images, validate_images
from skuad.base._pool import within
from skuad.detectors._anomalib_openvino import SUFFIXES as OPENVINO_SUFFIXES
from skuad.detectors._anomalib_openvino import (
    OpenvinoNetwork,
    companion_of,
    load_openvino_network,
)
from skuad.io._images import Images
from skuad.io._scale import unit_float
from skuad.utils._optional import import_optional
from skuad.utils._param_validation import Interval, _fit_context
from skuad.utils._thresholds import false_alarm_offset
from skuad.utils._torch import load_network, resolve_device, run_in_batches
from skuad.utils._typing import (
    Array,
    ImagesLike,
    IndexArray,
    MapAndScore,
    StrPath,
    TargetsLike,
)
from skuad.weights import WeightsChangedError, WeightsHolder, find_weights
from skuad.weights._digest import sha256_of
from skuad.weights._holder import WeightsSource

if TYPE_CHECKING:
    from typing_extensions import Self

    from skuad.detectors._anomalib_torch import TorchNetwork

    _Network: TypeAlias = TorchNetwork | OpenvinoNetwork


class AnomalibCheckpointDetector(WeightsHolder, MapDetector):
    """Detect anomalies with a model that was trained with anomalib [1]_.

    The network of a checkpoint is restored with its own pre-processing and run in
    evaluation mode; its raw scores and maps are given, not anomalib's normalised ones,
    which are cut at 0 and 1. Nothing is downloaded, and no code of the file is run
    unless it is trusted. `fit` never trains the network.

    Parameters
    ----------
    checkpoint : str or path-like
        A ``.ckpt`` that anomalib's ``Engine`` wrote; or what it exported: an ``.xml`` of
        OpenVINO or an ``.onnx``, both run by OpenVINO, or a ``.pt``, which needs
        ``trust=True``. A path, or a name for `skuad.weights.find_weights`.
    model : str or None, default=None
        Class of anomalib, such as ``"Dinomaly"``. By default it is recognised; if the
        file holds another one, `fit` raises.
    image_size : int, pair of int or None, default=None
        Side of a square, or height and width in pixels, to which the whole image is
        resized instead of the checkpoint's own resizing and cropping. Not every network
        works at another size.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"`` takes a GPU where there
        is one.
    trust : bool, default=False
        Whether a file that needs pickled Python objects may be loaded. Loading it runs
        whatever code its maker put there: say True only for files that you would run as
        a program.
    batch_size : int, default=8
        Number of images that go through the network at once.
    false_alarm_rate : float in (0, 1) or None, default=None
        Share of good images that may be flagged: `fit` sets the threshold on the images
        that it is given, which the network has not learnt from. None takes the
        threshold of the checkpoint.
    data_range : float or None, default=None
        The value of a uint16 image that stands for full scale; 65535 by default.
    store_weights : bool, default=False
        Whether a fitted detector carries the checkpoint with it, for machines that do
        not have the file.

    Attributes
    ----------
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous. NaN if
        there is none.
    model_name_ : str
        Class of anomalib.
    backend_ : str
        What runs the network, ``"torch"`` or ``"openvino"``.
    has_maps_ : bool
        Whether the network gives maps. Otherwise the map of an image is its score in
        every pixel.
    image_threshold_, pixel_threshold_ : float
        Thresholds of the checkpoint: raw scores and map values above them are
        anomalous. NaN if it has none.
    weights_path_ : str
        Where the checkpoint was in fit.
    weights_sha256_ : str
        Its SHA-256.
    weights_ : ndarray of uint8
        Its content, with ``store_weights=True`` only.
    companion_sha256_ : str or None
        SHA-256 of the file of weights beside an exported network.

    See Also
    --------
    Tiled : Run a network on tiles; it stands in for anomalib's tiler, which a checkpoint
        does not record.

    Notes
    -----
    An exported network, in contrast to a ``.ckpt``, resizes images without antialiasing,
    since anomalib exports it so; its scores differ from those of training.

    Where the checkpoint crops the middle of the image, as Dinomaly does, the network
    does not see the rim: its map is zero there. ``image_size`` shows it the whole image.

    References
    ----------
    .. [1] S. Akcay et al., "Anomalib: A Deep Learning Library for Anomaly Detection",
       ICIP 2022.

    Examples
    --------
    >>> from skuad.detectors import AnomalibCheckpointDetector
    >>> detector = AnomalibCheckpointDetector("padim.ckpt", false_alarm_rate=0.01)
    >>> detector.fit([[[0.5]]])
    Traceback (most recent call last):
        ...
    skuad.weights._find.WeightsNotFoundError: no weights 'padim.ckpt': ...
    """

    _model: ClassVar[str | None] = None
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "checkpoint": [str, os.PathLike],
        "model": [str, None],
        "image_size": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "device": [str],
        "trust": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither"), None],
        "data_range": [Interval(Real, 0, None, closed="neither"), None],
        "store_weights": ["boolean"],
    }

    def __init__(
        self,
        checkpoint: StrPath,
        *,
        model: str | None = None,
        image_size: int | Sequence[int] | None = None,
        device: str = "auto",
        trust: bool = False,
        batch_size: int = 8,
        false_alarm_rate: float | None = None,
        data_range: float | None = None,
        store_weights: bool = False,
    ):
        self.checkpoint = checkpoint
        self.model = model
        self.image_size = image_size
        self.device = device
        self.trust = trust
        self.batch_size = batch_size
        self.false_alarm_rate = false_alarm_rate
        self.data_range = data_range
        self.store_weights = store_weights

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ImagesLike, y: TargetsLike = None, *, groups: Any = None
    ) -> "Self":
        """Check that the checkpoint works, and set the threshold if a rate is given.

        Parameters
        ----------
        X : images
            See `skuad.base.validate_images`. With ``false_alarm_rate=None`` one image
            does.
        y : None, array-like of {1, -1} or masks, default=None
            Images that it marks as anomalous are left out.
        groups : object, default=None
            Ignored: nothing is learnt from the images, so none have to be held out
            together.

        Returns
        -------
        self : estimator
        """
        images = validate_images(self, X, reset=True)
        images, _ = good_images(images, y)
        self._fit_images(images)
        if self.false_alarm_rate is not None:
            self.offset_ = false_alarm_offset(
                self._scores(images), self.false_alarm_rate
            )
            return self
        self.offset_ = -self.image_threshold_
        if np.isnan(self.offset_):
            warnings.warn(
                f"{self.weights_path_} has no threshold (it was saved before anomalib "
                "validated it): predict does not work. Pass false_alarm_rate, such as "
                "0.01, and fit on good images",
                UserWarning,
                stacklevel=2,
            )
        return self

    def _without_threshold(self) -> str:
        return "fit it on good images with a false_alarm_rate, such as 0.01"

    def _find_weights(self) -> Path:
        return find_weights(self.checkpoint)

    def _fit_images(self, images: Images) -> None:
        self.__dict__.pop("companion_sha256_", None)
        self._hold_weights()
        if self.weights_path_.endswith(OPENVINO_SUFFIXES):
            self.companion_sha256_ = self._companion_sha256(self.weights_path_)
        network, _ = self._network()
        anomaly_map, _ = network.run([self._as_rgb(images[0])])[0]
        self.model_name_ = network.name
        self.backend_ = network.backend
        self.image_threshold_ = network.thresholds.image
        self.pixel_threshold_ = network.thresholds.pixel
        self.has_maps_ = anomaly_map is not None
        if not self.has_maps_:
            warnings.warn(
                f"{self.model_name_} scores images and gives no maps: the map of an image "
                "is its score in every pixel",
                UserWarning,
                stacklevel=4,
            )

    def _detect_fold(
        self, images: Images, learned: Any, train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        # Nothing is learnt from images: all of them are held out as it is.
        return self._detect(images.subset(test))

    def _network(self) -> tuple["_Network", tuple[Any, ...]]:
        """Return the network, loaded once per process, with its key."""
        model = self._model or self.model
        if self.model not in (None, model):
            raise ValueError(
                f"model={self.model!r}, but {type(self).__name__} takes a {model}: leave "
                "it out, or use AnomalibCheckpointDetector"
            )
        source = self._weights_source()
        size = self.image_size
        size = size if size is None else tuple(np.ravel(size).tolist())
        key: tuple[Any, ...] = (
            "anomalib",
            source.sha256,
            model,
            size,
            self.trust,
            self.device,
        )
        if source.path.endswith(OPENVINO_SUFFIXES):
            key = (*key, self._companion_sha256(source.path))
            return load_network(key, lambda: self._load_exported(source)), key
        import_optional("torch", extra="anomalib", needed_by=type(self).__name__)
        device = resolve_device(self.device)

        def load() -> "TorchNetwork":
            from skuad.detectors._anomalib_torch import load_torch_network

            return load_torch_network(
                source,
                model=model,
                image_size=self.image_size,
                trust=self.trust,
                needed_by=type(self).__name__,
            ).to(device)

        return load_network(key, load), key

    def _companion_sha256(self, path: str) -> str | None:
        """Return the SHA-256 of the file beside an exported one; it must be that of fit."""
        companion = companion_of(path)
        found = None if companion is None else sha256_of(companion)
        expected = getattr(self, "companion_sha256_", found)
        if found != expected:
            raise WeightsChangedError(
                f"{companion or 'the file of weights'} beside {path} is not that of fit: "
                f"its SHA-256 is {found}, expected {expected}"
            )
        return found

    def _load_exported(self, source: WeightsSource) -> OpenvinoNetwork:
        if self._model is not None:
            raise ValueError(
                f"{source.path} does not say whether it is a {self._model}: use "
                "AnomalibCheckpointDetector"
            )
        for name in ("image_size", "store_weights"):
            if getattr(self, name):
                raise ValueError(
                    f"{name} does not go with {source.path}: an exported network has one "
                    "size, and its weights in a second file. Give the .ckpt file"
                )
        return load_openvino_network(
            source,
            model=self.model,
            device=self.device,
            needed_by=f"{type(self).__name__} on {source.path}",
        )

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        network, key = self._network()
        for numbers, batch in images.batches(self.batch_size):
            arrays = [self._as_rgb(image) for image in batch]
            results = run_in_batches(network.run, arrays, key=key)
            for number, array, (anomaly_map, score) in zip(
                numbers, arrays, results, strict=True
            ):
                if anomaly_map is None:
                    anomaly_map = np.full(array.shape[:2], score, np.float32)
                roi = images.roi(number)
                yield (
                    (anomaly_map, score)
                    if roi is None
                    else within(anomaly_map, roi, "max")
                )

    def _as_rgb(self, image: Array) -> NDArray[np.float32]:
        """Scale to [0, 1], three channels; an alpha channel is left out."""
        image = unit_float(image, data_range=self.data_range)
        n_channels = image.shape[2]
        if n_channels not in (1, 3, 4):
            raise ValueError(
                f"networks of anomalib take gray or RGB images, but these have "
                f"{n_channels} channels"
            )
        return np.repeat(image, 3, axis=2) if n_channels == 1 else image[..., :3]
