"""
=====================================
Any scikit-learn estimator on patches
=====================================

An outlier detector, a density, a clustering or a decomposition: `PatchDetector` puts
any of scikit-learn's estimators on the patches of an image, and makes maps of what it
says.
"""

# %%
# Estimators
# ----------
# The embedder describes every patch by a row of numbers, and the estimator sees nothing
# but rows. What counts as anomalous is the estimator's own measure: the negative of its
# `score_samples`, or what a decomposition cannot rebuild.
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor

from skuad.datasets import make_defect_images
from skuad.detectors import PatchDetector

estimators = {
    "LedoitWolf": LedoitWolf(),
    "PCA": PCA(0.9),
    "GaussianMixture": GaussianMixture(4, random_state=0),
    "IsolationForest": IsolationForest(n_estimators=50, random_state=0),
    "LocalOutlierFactor": LocalOutlierFactor(novelty=True),
}
data = make_defect_images("brushed", n_train=20, n_good=10, n_defective=10, size=128)

# %%
# Maps and metrics
# ----------------
# All of them have the same methods, so one loop does. Metrics of maps need no threshold,
# and ``calibration=None`` leaves it out.
import numpy as np
from matplotlib import pyplot as plt

from skuad.metrics import map_metrics

maps = {}
for name, estimator in estimators.items():
    detector = PatchDetector(
        estimator=estimator, max_patches=3000, calibration=None, random_state=0
    ).fit(data.train)
    maps[name] = detector.transform(data.test)
    found = map_metrics(data.masks, maps[name], ["aupro", "pixel_roc_auc"])
    print(f"{name:20} AUPRO {found['aupro']:.3f}  AUROC {found['pixel_roc_auc']:.3f}")

# %%
# The same defect, as each of them sees it. Values are in units of their own, so each map
# has its own scale.
number = 10 + int(data.masks[10:].sum(axis=(1, 2)).argmax())
figure, axes = plt.subplots(1, 6, figsize=(12, 2.4), layout="constrained")
axes[0].imshow(data.test[number])
axes[0].contour(data.masks[number], [0.5], colors="cyan", linewidths=1)
axes[0].set_title("image")
for ax, (name, found) in zip(axes[1:], maps.items(), strict=True):
    low, high = np.quantile(found[number], [0.02, 0.999])
    ax.imshow(found[number], vmin=low, vmax=high, cmap="inferno")
    ax.set_title(name, fontsize=9)
for ax in axes:
    ax.set_axis_off()
plt.show()
