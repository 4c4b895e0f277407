"""
=============================
The protocol of MVTec LOCO AD
=============================

MVTec LOCO AD has structural anomalies, such as scratches, and logical ones, such as a
part that is missing. Its metric is AU-sPRO: of a missing part, some of the place where
it should be is enough.

The data set has to be fetched from its publisher, so this example writes a folder of
noise in the same layout. **Its numbers mean nothing**; with your copy, the same program
runs the protocol.
"""

# %%
# Data
# ----
import tempfile

from skuad.datasets import load_mvtec_loco, make_fake_tree

folder = tempfile.TemporaryDirectory()
root = folder.name  # your copy of the data set
make_fake_tree("mvtec_loco", root, "breakfast_box")
data = load_mvtec_loco(root, "breakfast_box")
for image, split, kind in zip(data.images, data.split, data.defect_type, strict=True):
    print(f"{split:10} {kind:22} {image[len(root) + 1 :]}")

# %%
# Saturation
# ----------
# How much of each kind of defect has to be found is part of the data set.
for entry in data.defects_config:
    unit = "of its area" if entry["relative_saturation"] else "pixels"
    print(f"{entry['defect_name']:16} {entry['saturation_threshold']} {unit}")

# %%
# Run it
# ------
# `run_benchmark` fits on the training images, and reports logical and structural
# anomalies, each with all good images, and the mean of the two as `all`.
from skuad.detectors import PatchKNN
from skuad.model_selection import run_benchmark

table = run_benchmark(
    PatchKNN(false_alarm_rate=0.25, random_state=0), "mvtec_loco", root, verbose=0
)
for row in table:
    print(
        f"{row['category']:15} {row['subset']:22} {row['n_anomalous']:3} defective   "
        f"AU-sPRO {row['au_spro']:.3f}   image AUROC {row['image_roc_auc']:.3f}"
    )

# %%
# Masks
# -----
# An image with a logical anomaly, and its mask: the union of one file per defect (this is
# noise: the second defect is in the mask only).
import numpy as np
from matplotlib import pyplot as plt

from skuad.io import read_image, read_mask

number = int(np.flatnonzero(data.defect_type == "logical_anomalies")[0])
figure, axes = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
axes[0].imshow(read_image(data.images[number]), cmap="gray")
axes[1].imshow(read_mask(data.masks[number]))
for ax, title in zip(axes, ["image", "mask"], strict=True):
    ax.set_title(title)
    ax.set_axis_off()
plt.show()
folder.cleanup()
