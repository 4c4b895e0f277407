"""The same search on a cluster of dask workers."""

import distributed
import joblib
import numpy as np
import pytest
from search_helpers import CountingEmbedder
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skuad.detectors import PatchKNN
from skuad.metrics import make_map_scorer
from skuad.model_selection import GoodTrainKFold

# Of dask's own threads and sockets, when the cluster is shut down.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_search_on_dask_workers_gives_equal_results(client, files, tmp_path):
    embedder = CountingEmbedder(log=str(tmp_path / "log"), memory=str(tmp_path / "c"))
    search = GridSearchCV(
        PatchKNN(embedder, calibration=None, random_state=0),
        {"n_neighbors": [1, 3], "coreset": ["greedy", "random"]},
        scoring=make_map_scorer(["aupro", "pixel_roc_auc", "image_roc_auc"]),
        refit="aupro",
        cv=GoodTrainKFold(3),
        error_score="raise",
    )
    here = clone(search).fit(*files)
    embedder.set_params(memory=str(tmp_path / "d"))
    search.set_params(estimator__embedder=embedder, n_jobs=-1)
    n_embedded = embedder.n_embedded()
    assert n_embedded == 30
    with joblib.parallel_config(backend="dask"):
        there = search.fit(*files)
    # Both may miss the same image at the same time.
    assert 30 <= embedder.n_embedded() - n_embedded <= 60
    tasks = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert len(tasks) == 2 and all(tasks.values())
    for name, values in here.cv_results_.items():
        if name.startswith(("split", "mean_test", "std_test", "rank")):
            np.testing.assert_array_equal(there.cv_results_[name], values)
    assert there.best_params_ == here.best_params_
    paths = files[0]
    np.testing.assert_array_equal(there.transform(paths), here.transform(paths))
