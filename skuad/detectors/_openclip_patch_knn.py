"""PatchCore's recipe on the patch features of OpenCLIP."""

from typing import Any, ClassVar, Literal

from skuad.detectors._patch_knn import PatchKNN, PatchPool
from skuad.detectors._scaling import Scaling
from skuad.feature_extraction import OpenCLIPEmbedder
from skuad.feature_extraction._base import MemoryLike
from skuad.feature_extraction._network import ImageSize
from skuad.feature_extraction._patch_network import Layers
from skuad.neighbors._detector import Coreset
from skuad.utils._typing import RandomStateLike, StrPath


class OpenCLIPPatchKNN(PatchKNN):
    """Detect anomalies by the distance of OpenCLIP's patches to good patches.

    The same as ``PatchKNN(OpenCLIPEmbedder(...))``, with the parameters of both side by
    side, so that one search goes over layers, image sizes and neighbours alike.

    Parameters
    ----------
    model_name : str or path-like, default="ViT-B-16"
        A model of open_clip, or a JSON file with a model's configuration.
    pretrained : str or path-like, default="laion2b_s34b_b88k"
        A tag of the model, a path, or a name for `skuad.weights.find_weights`; see
        `OpenCLIPEmbedder`. Nothing is downloaded.
    layers : array-like of int or None, default=None
        Blocks of a transformer or stages of a convolutional network; negative ones count
        from the end. By default the blocks at half and three quarters of a transformer,
        or strides 8 and 16.
    image_size : None, int or pair of int, default=None
        Size at which an image goes through the network, without cropping: its own size,
        the length of its shorter side, or height and width, in pixels.
    average : int or None, default=None
        Side of the square of patches over which features are averaged, odd; by default
        3 for a convolutional network and 1 for a transformer.
    data_range : float or None, default=None
        The value of a uint16 image that stands for full scale: 65535 by default, 4095
        for a 12-bit camera.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"auto"``.
    dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Of the network's weights.
    batch_size : int, default=8
        Number of images that go through the network at once.
    store_weights : bool, default=False
        Whether the fitted detector carries the weights with it.
    n_neighbors : int, default=1
        Number of nearest rows whose distance is averaged.
    coreset : {"greedy", "random"} or None, default="greedy"
        How the bank is chosen: greedy k-center, at random, or all patches.
    coreset_ratio : float in (0, 1], default=0.1
        Size of the bank relative to the sampled patches.
    algorithm : {"exact", "faiss"}, default="exact"
        The search; "faiss" is approximate and needs the package ``faiss-cpu``.
    scaling : {"whiten", "standard", "unit"} or None, default="whiten"
        How rows are scaled before they are compared.
    max_patches : int, default=200_000
        Largest number of training patches that the bank is chosen from.
    pool : "max", "mean" or float in (0, 1), default="max"
        Score of an image: the highest value of its map, the mean, or the mean of this
        share of highest values.
    false_alarm_rate : float in (0, 1), default=0.01
        Share of good images that may be flagged.
    contamination : float in (0, 0.5] or None, default=None
        For a polluted training set: the share of it that `predict` flags. It overrides
        `false_alarm_rate`.
    calibration : {"auto", "leave_one_out"}, int, splitter or None, default="auto"
        How images are held out for the threshold; None sets no threshold. See `PatchKNN`.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache for the features: folds and candidates of a search then share them.
    n_jobs : int or None, default=None
        Number of folds that are fitted in parallel.
    random_state : int, RandomState or None, default=None
        Seed of the sample of patches and of the coreset.

    Attributes
    ----------
    embedder_ : OpenCLIPEmbedder
        The embedder, which holds the path and the SHA-256 of the weights.
    estimator_ : NearestNeighborDetector
        The bank and its search.
    scaler_ : transformer or None
        The fitted scaling of rows.
    offset_ : float
        Threshold: an image whose ``score_samples`` is below it is anomalous.
    n_patches_ : int
        Number of patches of the training images, before sampling.

    See Also
    --------
    PatchKNN : The same with any embedder; it has the references.
    skuad.feature_extraction.OpenCLIPEmbedder : The features.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skuad.detectors import OpenCLIPPatchKNN, Tiled
    >>> from skuad.preprocessing import GrayWorld
    >>> detector = OpenCLIPPatchKNN(layers=[5, 8], image_size=448)
    >>> pipe = make_pipeline(GrayWorld(), Tiled(detector, tile=512))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **PatchKNN._parameter_constraints,
        **OpenCLIPEmbedder._parameter_constraints,
    }
    _parameter_constraints.pop("embedder")

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
        n_neighbors: int = 1,
        coreset: Coreset = "greedy",
        coreset_ratio: float = 0.1,
        algorithm: Literal["exact", "faiss"] = "exact",
        scaling: Scaling = "whiten",
        max_patches: int = 200_000,
        pool: PatchPool = "max",
        false_alarm_rate: float = 0.01,
        contamination: float | None = None,
        calibration: Any = "auto",
        memory: MemoryLike = None,
        n_jobs: int | None = None,
        random_state: RandomStateLike = None,
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
        self.n_neighbors = n_neighbors
        self.coreset = coreset
        self.coreset_ratio = coreset_ratio
        self.algorithm = algorithm
        self.scaling = scaling
        self.max_patches = max_patches
        self.pool = pool
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _make_embedder(self) -> OpenCLIPEmbedder:
        names = OpenCLIPEmbedder._get_param_names()
        return OpenCLIPEmbedder(**{name: getattr(self, name) for name in names})
