"""
==============
First pipeline
==============

From images of good parts to outlined defects: a pipeline of a white balance and a
detector, which is fitted, asked and saved like any other of scikit-learn.
"""

# %%
# Images
# ------
# Thirty images of a good fabric are all that is learnt from. Ten good and ten defective
# ones are for the test. Photographs of your own would be a list of paths here.
from matplotlib import pyplot as plt

from skuad.datasets import make_defect_images

data = make_defect_images("weave", n_train=30, n_good=10, n_defective=10, size=128)
print(data.train.shape, data.train.dtype)

# %%
# Fit
# ---
# `GrayWorld` takes out changes of the light's colour. `PatchKNN` keeps patches of the
# good images, and compares the patches of new images with them. Some of the images are
# held out to set the threshold: about 5 % of good images will be flagged.
from sklearn.pipeline import make_pipeline

from skuad.detectors import PatchKNN
from skuad.preprocessing import GrayWorld

pipeline = make_pipeline(GrayWorld(), PatchKNN(false_alarm_rate=0.05, random_state=0))
pipeline.fit(data.train)

# %%
# Ask
# ---
# `predict` says +1 for good and -1 for anomalous; `transform` gives the anomaly maps,
# high where something is unlike the good images.
labels = pipeline.predict(data.test)
maps = pipeline.transform(data.test)
good, defective = data.target == 1, data.target == -1
print(f"flagged: {(labels[good] == -1).sum()} of {good.sum()} good images,")
print(f"         {(labels[defective] == -1).sum()} of {defective.sum()} defective ones")

# %%
# True defects are outlined in cyan, what exceeds the threshold in white.
from skuad.inspection import AnomalyMapDisplay

shown = [0, 1, 10, 11, 12, 13]
AnomalyMapDisplay.from_estimator(
    pipeline, data.test[shown], data.masks[shown], n_columns=3
)
plt.show()

# %%
# Keep
# ----
# One file holds the pipeline, the bank and the threshold.
import tempfile
from pathlib import Path

import joblib

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "line3.joblib")
    joblib.dump(pipeline, path)
    again = joblib.load(path)
    print(f"{path.stat().st_size / 1e6:.1f} MB")
print("same maps:", (again.transform(data.test) == maps).all())
