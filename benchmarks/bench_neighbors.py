"""Coreset and nearest-neighbour search, beside anomalib in the same run.

Ratios are of CPU time, measured in turns, so that other load on the machine falls on
both sides; above 1 is faster than the peer.
"""

import time

import numpy as np

from skuad.neighbors import k_center_greedy
from skuad.neighbors._exact import PreparedBank


def clustered_rows(n_rows, n_features, seed=0):
    """Make rows like patch features: clusters of few directions, and noise."""
    shape = np.random.default_rng(0)
    centers = 3 + shape.standard_normal((60, n_features))
    axes = 0.3 * shape.standard_normal((60, 12, n_features))
    axes *= 0.7 ** np.arange(12)[:, None]
    rng = np.random.default_rng(seed)
    rows = 0.02 * rng.standard_normal((n_rows, n_features), dtype=np.float32)
    labels = rng.integers(60, size=n_rows)
    for label in range(60):
        where = np.flatnonzero(labels == label)
        latent = rng.standard_normal((len(where), 12))
        rows[where] += centers[label] + latent @ axes[label]
    return rows


def random_rows(n_rows, n_features, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_rows, n_features), dtype=np.float32)


ROWS = {"random": random_rows, "clustered": clustered_rows}


def cpu_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def ratio(peer, ours, repeat=3):
    """Return the least CPU time of the peer over ours, taken in turns."""
    times = [(cpu_seconds(peer), cpu_seconds(ours)) for _ in range(repeat)]
    return min(t[0] for t in times) / min(t[1] for t in times)


def covering_radius(rows, indices):
    return float(PreparedBank(rows[indices]).search(rows)[0].max())


class Coreset:
    """Greedy coreset of 10 % of the rows."""

    params = ([20_000, 50_000], [48, 384], ["random", "clustered"])
    param_names = ("n_rows", "n_features", "rows")
    timeout = 1200

    def setup(self, n_rows, n_features, rows):
        self.rows = ROWS[rows](n_rows, n_features)
        self.n_centers = n_rows // 10

    def ours(self):
        self.indices = k_center_greedy(self.rows, self.n_centers, random_state=0)

    def time_select(self, n_rows, n_features, rows):
        self.ours()

    def peakmem_select(self, n_rows, n_features, rows):
        self.ours()


class CoresetBesideAnomalib(Coreset):
    """The same, with anomalib in the same run."""

    time_select = peakmem_select = None

    def setup(self, n_rows, n_features, rows):
        try:
            import torch
            from anomalib.models.components.sampling import k_center_greedy as peer
        except ImportError as error:
            raise NotImplementedError("anomalib is not installed") from error

        super().setup(n_rows, n_features, rows)
        peer.tqdm = lambda steps, desc: steps
        torch.manual_seed(0)
        self.sampler = peer.KCenterGreedy(torch.from_numpy(self.rows), 0.1)

    def peer(self):
        self.peer_indices = self.sampler.select_coreset_idxs()

    def track_speedup(self, n_rows, n_features, rows):
        return ratio(self.peer, self.ours, repeat=1)

    def track_radius_ratio(self, n_rows, n_features, rows):
        """Return the peer's covering radius over ours: above 1 is better."""
        self.ours()
        self.peer()
        radius = covering_radius(self.rows, self.indices)
        return covering_radius(self.rows, np.array(self.peer_indices)) / radius


class Search:
    """Exact search of many queries in a bank."""

    params = (
        [(50_000, 384, 16_384), (20_000, 48, 16_384), (20_000, 48, 784)],
        [1, 9],
        ["random", "clustered"],
    )
    param_names = ("bank, features, queries", "n_neighbors", "rows")
    timeout = 1200

    def setup(self, sizes, n_neighbors, rows):
        n_bank, n_features, n_queries = sizes
        self.bank = ROWS[rows](n_bank, n_features, seed=1)
        self.queries = ROWS[rows](n_queries, n_features, seed=2)
        self.prepared = PreparedBank(self.bank)
        self.n_neighbors = n_neighbors

    def ours(self):
        self.prepared.search(self.queries, self.n_neighbors)

    def product(self):
        """Do nothing but the matrix product, in blocks that stay in cache."""
        out = np.empty((4096, 512), dtype=np.float32)
        for start in range(0, len(self.queries), 512):
            queries = self.queries[start : start + 512].T
            for first in range(0, len(self.bank), 4096):
                block = self.bank[first : first + 4096]
                products = out.ravel()[: len(block) * queries.shape[1]]
                products = products.reshape(len(block), queries.shape[1])
                np.matmul(block, queries, out=products)

    def time_search(self, sizes, n_neighbors, rows):
        self.ours()

    def peakmem_search(self, sizes, n_neighbors, rows):
        self.ours()

    def track_share_of_product_rate(self, sizes, n_neighbors, rows):
        """Return the time of the bare matrix product over ours."""
        return ratio(self.product, self.ours)


class SearchBesideAnomalib(Search):
    """The same, with anomalib in the same run."""

    time_search = peakmem_search = track_share_of_product_rate = None

    def setup(self, sizes, n_neighbors, rows):
        try:
            import torch
            from anomalib.models.image.patchcore.torch_model import PatchcoreModel
        except ImportError as error:
            raise NotImplementedError("anomalib is not installed") from error

        super().setup(sizes, n_neighbors, rows)
        # The search needs a bank, not the backbone that __init__ would load.
        self.model = PatchcoreModel.__new__(PatchcoreModel)
        torch.nn.Module.__init__(self.model)
        self.model.memory_bank = torch.from_numpy(self.bank)
        self.embedding = torch.from_numpy(self.queries)

    def peer(self):
        self.model.nearest_neighbors(self.embedding, self.n_neighbors)

    def track_speedup(self, sizes, n_neighbors, rows):
        return ratio(self.peer, self.ours)
