"""
========================
Tune a detector on AUPRO
========================

Which stride of the patch grid, and how many neighbours, find the defects of a fabric
best? That is a question for scikit-learn's own
`~sklearn.model_selection.GridSearchCV`. The folds train on good images only, and the
anomaly maps of every candidate are compared with the masks.
"""

# %%
# Images
# ------
# Twenty good images to learn from; ten more good and fifteen defective ones among which
# to choose. The masks say where the defects are; an empty mask is that of a good image. A
# second set, of the same fabric, is kept for the end.
import tempfile

import numpy as np
from matplotlib import pyplot as plt

from skuad.datasets import make_defect_images

data = make_defect_images("weave", n_good=20, n_defective=30, size=128)
X = np.concatenate([data.train, data.test[:10], data.test[20:35]])
y = np.concatenate([np.zeros((20, 128, 128), bool), data.masks[:10], data.masks[20:35]])
X_test = np.concatenate([data.test[10:20], data.test[35:]])
y_test = np.concatenate([data.masks[10:20], data.masks[35:]])
print(X.shape, y.any(axis=(1, 2)).sum(), "defective")

# %%
# Search
# ------
# `make_map_scorer` computes all metrics from one pass over a fold's images, and `refit`
# names the one that decides. The threshold is not needed for the choice, so
# ``calibration=None`` saves its folds; with `memory`, an image is embedded once for
# each stride, and not for each candidate and fold.
from sklearn.model_selection import GridSearchCV

from skuad.detectors import PatchKNN
from skuad.feature_extraction import FilterBankEmbedder
from skuad.metrics import make_map_scorer
from skuad.model_selection import GoodTrainKFold

with tempfile.TemporaryDirectory() as cache:
    search = GridSearchCV(
        PatchKNN(
            FilterBankEmbedder(memory=cache),
            coreset="random",
            calibration=None,
            random_state=0,
        ),
        {"embedder__stride": [4, 8, 16], "n_neighbors": [1, 3, 9]},
        scoring=make_map_scorer(["aupro", "pixel_roc_auc", "image_roc_auc"]),
        refit="aupro",
        cv=GoodTrainKFold(3),
        error_score="raise",
    ).fit(X, y)

print(search.best_params_)
for metric in ("aupro", "pixel_roc_auc", "image_roc_auc"):
    print(metric, search.cv_results_[f"mean_test_{metric}"].round(3))

# %%
# AUPRO and the ROC curve of images need not agree: small patches draw defects sharply,
# which does not mean that they tell whether there is one.
results = search.cv_results_
strides = np.array(results["param_embedder__stride"], int)
neighbors = np.array(results["param_n_neighbors"], int)
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for ax, metric in zip(axes, ["aupro", "image_roc_auc"], strict=True):
    for stride in np.unique(strides):
        rows = strides == stride
        ax.errorbar(
            neighbors[rows] + stride / 50,
            results[f"mean_test_{metric}"][rows],
            results[f"std_test_{metric}"][rows],
            marker="o",
            capsize=3,
            label=f"stride {stride}",
        )
    ax.set(xlabel="n_neighbors", ylabel=metric, xticks=np.unique(neighbors))
axes[0].legend()

# %%
# The choice on new images
# ------------------------
# Scores of the best of nine candidates flatter it, so the last word belongs to images
# that took no part. The best parameters, now with a threshold:
from sklearn.base import clone

from skuad.inspection import AnomalyMapDisplay, ProCurveDisplay

best = clone(search.best_estimator_).set_params(
    embedder__memory=None, calibration="auto", false_alarm_rate=0.05
)
best.fit(X, y)  # the defective images are left out
start = PatchKNN(coreset="random", calibration=None, random_state=0).fit(X, y)

figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
ProCurveDisplay.from_estimator(best, X_test, y_test, name="tuned", ax=ax)
ProCurveDisplay.from_estimator(
    start, X_test, y_test, name="at first", ax=ax, linestyle="--"
)

# %%
# True defects are outlined in cyan, what exceeds the threshold in white.
shown = [0, 10, 11, 12, 13, 14]
AnomalyMapDisplay.from_estimator(best, X_test[shown], y_test[shown], n_columns=3)
plt.show()
