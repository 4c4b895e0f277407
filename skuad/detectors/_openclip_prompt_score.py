"""Anomalies by what OpenCLIP makes of texts: no image is needed to fit."""

from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skuad.base import MapDetector
from skuad.detectors._openclip_prompts import (
    check_prompts,
    prompt_ensemble,
    text_features,
)
from skuad.detectors._openclip_windows import (
    anomalous_share,
    image_and_patch_features,
    mean_over_windows,
)
from skuad.detectors._patches import PatchLayout
from skuad.feature_extraction import FeatureMap, OpenCLIPEmbedder
from skuad.feature_extraction._network import ImageSize, run_by_shape
from skuad.feature_extraction._openclip import OpenCLIPNetwork
from skuad.io._images import Images
from skuad.utils._param_validation import Interval, StrOptions, _fit_context
from skuad.utils._typing import (
    Array,
    Fold,
    ImagesLike,
    IndexArray,
    MapAndScore,
    Pool,
    StrPath,
    TargetsLike,
)

if TYPE_CHECKING:
    from typing_extensions import Self

#: Share of the anomalous text, of each patch and of the image as a whole.
_Shares: TypeAlias = tuple[NDArray[np.float32], float]


class OpenCLIPPromptScore(MapDetector):
    """Detect anomalies by texts that describe good and anomalous objects.

    Every window of an image is compared with both texts by an OpenCLIP model; the share
    of the anomalous one, from 0 to 1, makes the map (WinCLIP [1]_). No good image is
    needed for maps and scores: ``fit(None)`` will do. A threshold takes good images.

    Parameters
    ----------
    model_name : str or path-like, default="ViT-B-16"
        A model of open_clip, or a JSON file with a model's configuration.
    pretrained : str or path-like, default="laion2b_s34b_b88k"
        A tag of the model, a path, or a name for `skuad.weights.find_weights`; see
        `OpenCLIPEmbedder`. Nothing is downloaded.
    class_name : str, default="object"
        What is to be seen, such as ``"metal nut"``, for WinCLIP's ensemble of prompts:
        states such as "flawless" and "damaged", in templates such as "a photo of a".
    normal_prompts, anomalous_prompts : list of str or None, default=None
        Texts in place of the ensemble's.
    windows : "auto", array-like of int or None, default="auto"
        Sides of the windows, in patches; the map is the harmonic mean over the windows
        round a patch, and over sides and the whole image. None compares the patches
        alone, in a fraction of the time. ``"auto"`` is (2, 3) for open_clip's own
        transformers, and None for other towers, which cannot leave tokens out.
    image_size : None, int or pair of int, default=None
        Size at which an image goes through the network, without cropping: the length of
        its shorter side, or height and width, in pixels. By default the shorter side is
        that of the images that the model was trained on: far from it, texts fit badly.
    data_range : float or None, default=None
        The value of a uint16 image that stands for full scale: 65535 by default, 4095
        for a 12-bit camera.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"auto"``.
    dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Of the image tower's weights.
    batch_size : int, default=8
        Number of images that go through the network at once.
    store_weights : bool, default=False
        Whether the fitted detector carries the weights with it.
    pool : {"image", "both", "max", "mean"} or float in (0, 1), default="image"
        Score of an image: that of the image as a whole; its mean with the highest value
        of the map; or the highest value, the mean, or the mean of this share of highest
        values of the map. Within a region of interest, the first two are the highest
        value inside; the network sees the whole image all the same, since each patch
        attends to all others.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags. It overrides
        `false_alarm_rate`.
    calibration : {"auto", "leave_one_out"}, int, splitter or None, default="auto"
        None sets no threshold. Any other value takes the scores of the good images as
        they are, since nothing is learnt from them.

    Attributes
    ----------
    embedder_ : OpenCLIPEmbedder
        The image tower's settings, with the path and the SHA-256 of the weights.
    prompts_ : dict of str to list of str
        The texts, by ``"normal"`` and ``"anomalous"``.
    text_features_ : ndarray of float32 of shape (2, d)
        Of unit length: normal and anomalous.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous. NaN after
        ``fit(None)``.

    See Also
    --------
    OpenCLIPPatchKNN : The same features, compared with those of good images.

    References
    ----------
    .. [1] J. Jeong et al., "WinCLIP: Zero-/Few-Shot Anomaly Classification and
       Segmentation", CVPR 2023, https://arxiv.org/abs/2303.14814
    .. [2] Y. Li et al., "A Closer Look at the Explainability of Contrastive
       Language-Image Pre-training" (CLIP Surgery), Pattern Recognition 2025,
       https://arxiv.org/abs/2304.05653; the values that attend to values.

    Examples
    --------
    >>> from skuad.detectors import OpenCLIPPromptScore
    >>> OpenCLIPPromptScore(class_name="hazelnut")
    OpenCLIPPromptScore(class_name='hazelnut')
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        name: OpenCLIPEmbedder._parameter_constraints[name]
        for name in (
            "model_name",
            "pretrained",
            "image_size",
            "data_range",
            "device",
            "dtype",
            "batch_size",
            "store_weights",
        )
    } | {
        "class_name": [str],
        "normal_prompts": ["array-like", None],
        "anomalous_prompts": ["array-like", None],
        "windows": [StrOptions({"auto"}), "array-like", None],
        "pool": [
            StrOptions({"image", "both", "max", "mean"}),
            Interval(Real, 0, 1, closed="neither"),
        ],
        **MapDetector._parameter_constraints,
    }

    def __init__(
        self,
        model_name: StrPath = "ViT-B-16",
        pretrained: StrPath = "laion2b_s34b_b88k",
        *,
        class_name: str = "object",
        normal_prompts: Sequence[str] | None = None,
        anomalous_prompts: Sequence[str] | None = None,
        windows: Sequence[int] | Literal["auto"] | None = "auto",
        image_size: ImageSize = None,
        data_range: float | None = None,
        device: str = "auto",
        dtype: Literal["auto", "float32", "bfloat16"] = "auto",
        batch_size: int = 8,
        store_weights: bool = False,
        pool: Literal["image", "both"] | Pool = "image",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
    ):
        self.model_name = model_name
        self.pretrained = pretrained
        self.class_name = class_name
        self.normal_prompts = normal_prompts
        self.anomalous_prompts = anomalous_prompts
        self.windows = windows
        self.image_size = image_size
        self.data_range = data_range
        self.device = device
        self.dtype = dtype
        self.batch_size = batch_size
        self.store_weights = store_weights
        self.pool = pool
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def fit(
        self,
        X: ImagesLike | None = None,
        y: TargetsLike = None,
        *,
        groups: ArrayLike | None = None,
    ) -> "Self":
        """Encode the texts, and set the threshold if there are images.

        Parameters
        ----------
        X : images or None, default=None
            Good images for the threshold; see `skuad.base.validate_images`.
        y : None, array-like of {1, -1} or masks, default=None
            Images that it marks as anomalous are left out.
        groups : array-like of shape (n_images,), default=None
            Ignored: nothing is learnt from the images.

        Returns
        -------
        self : estimator
        """
        return self._fit_texts() if X is None else super().fit(X, y, groups=groups)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit_texts(self) -> "Self":
        for name in ("n_channels_in_", "image_dtype_", "n_features_in_"):
            self.__dict__.pop(name, None)
        self._fit_images(None)
        self.offset_ = np.nan
        return self

    def _without_threshold(self) -> str:
        if self.calibration is None:
            return super()._without_threshold()
        return "it was fitted without images: fit it on good images"

    def _fit_images(self, images: Images | None) -> None:
        self.prompts_ = self._make_prompts()
        shared = set(self._get_param_names()) & set(OpenCLIPEmbedder._get_param_names())
        embedder = OpenCLIPEmbedder(**{name: getattr(self, name) for name in shared})
        self.embedder_ = embedder.record_weights()
        self._resolve_windows(self._network()[0])
        self.text_features_ = text_features(
            self.prompts_.values(),
            self.model_name,
            embedder.config_,
            embedder._weights_source(),
        )

    def _make_prompts(self) -> dict[str, list[str]]:
        prompts = prompt_ensemble(self.class_name)
        for name in prompts:
            own = getattr(self, f"{name}_prompts")
            if own is not None:
                prompts[name] = check_prompts(own, f"{name}_prompts")
            elif not self.class_name.strip():
                raise ValueError("class_name is empty: say what is to be seen")
        return prompts

    def _network(self) -> tuple[OpenCLIPNetwork, tuple[Any, ...]]:
        """Return the image tower, loaded once per process, with its key."""
        network, key = self.embedder_._network()
        return cast(OpenCLIPNetwork, network), key

    def _resolve_windows(self, network: OpenCLIPNetwork) -> list[int]:
        """Return the sides of the windows; none for the patches alone."""
        is_native = hasattr(network.model, "transformer")
        if isinstance(self.windows, str):
            return [2, 3] if is_native else []
        windows = [] if self.windows is None else list(self.windows)
        if not all(isinstance(side, Integral) and side > 0 for side in windows):
            raise ValueError(
                f"windows={self.windows!r} are no sides in whole patches above 0"
            )
        if windows and not is_native:
            raise ValueError(
                f"windows={windows} take a transformer of open_clip's own, but the image "
                f"tower of {self.model_name} is a {type(network.model).__name__}, which "
                "cannot leave tokens out: say windows=None"
            )
        return windows

    def _detect(self, images: Images) -> Iterator[MapAndScore]:
        network, key = self._network()
        windows = self._resolve_windows(network)
        image_size = self.image_size
        if image_size is None:
            image_size = min(network.image_shape)

        def run(batch: list[Array], shape: tuple[int, int]) -> list[_Shares]:
            return self._shares(network, batch, shape, windows)

        stride = max(network.reductions)
        for numbers, arrays in images.batches(self.batch_size):
            found = run_by_shape(
                run, arrays, image_size, stride, key=(*key, "windows", *windows)
            )
            for number, image, (grid, of_image) in zip(
                numbers, arrays, found, strict=True
            ):
                yield self._map_and_score(image, images.roi(number), grid, of_image)

    def _shares(
        self,
        network: OpenCLIPNetwork,
        batch: list[Array],
        shape: tuple[int, int],
        windows: list[int],
    ) -> list[_Shares]:
        """Return the share of the anomalous text, of the patches and of the image."""
        import torch

        texts = torch.from_numpy(self.text_features_).to(network.device)
        with torch.inference_mode():
            x = network.prepare(batch, shape, self.data_range)
            of_image, of_places = image_and_patch_features(network, x, windows)
            of_image, *of_places = (
                anomalous_share(features, texts) for features in (of_image, *of_places)
            )
            grid = of_places[0]
            if windows:
                stride = max(network.reductions)
                size = shape[0] // stride, shape[1] // stride
                scales = [mean_over_windows(share, size) for share in of_places]
                scales.append(of_image[:, None, None].expand_as(scales[0]))
                inverses = [1 / scale for scale in scales]
                grid = len(scales) / sum(inverses[1:], start=inverses[0])
            return list(zip(grid.cpu().numpy(), of_image.tolist(), strict=True))

    def _map_and_score(
        self,
        image: Array,
        roi: NDArray[np.bool_] | None,
        grid: NDArray[np.float32],
        of_image: float,
    ) -> MapAndScore:
        layout = PatchLayout(FeatureMap(grid[:, :, None], image.shape[:2]), roi)
        rows = grid.ravel() if layout.inside is None else grid[layout.inside]
        if self.pool != "image" and self.pool != "both":
            return layout.map_and_score(rows, self.pool)
        anomaly_map, highest = layout.map_and_score(rows, "max")
        if roi is not None:
            return anomaly_map, highest
        score = of_image if self.pool == "image" else (highest + of_image) / 2
        return anomaly_map, score

    def _folds(self, n_images: int, groups: ArrayLike | None) -> list[Fold]:
        everything = np.arange(n_images)
        return [(everything, everything)]

    def _detect_fold(
        self, images: Images, learned: Any, train: IndexArray, test: IndexArray
    ) -> Iterator[MapAndScore]:
        # Nothing was learnt from any image: all are held out.
        return self._detect(images.subset(test))
