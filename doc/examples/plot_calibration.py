"""
===========================
A guarantee on false alarms
===========================

How many good parts will be flagged? `ConformalDetector` guarantees a rate, and raises an
error if there are too few images for it. Here we count how often new good images are
flagged.
"""

# %%
# What the number of images allows
# --------------------------------
import numpy as np
from matplotlib import pyplot as plt

from skuad.calibration import achievable_rates

counts = np.array([20, 50, 100, 200, 500, 1000])
rates = [achievable_rates(count) for count in counts]
figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name, text in {
    "marginal": "on average",
    "high_probability": "with 95 % confidence",
}.items():
    ax.loglog(counts, [100 * rate[name] for rate in rates], "o-", label=text)
ax.set(xlabel="good images to calibrate on", ylabel="lowest rate, %")
ax.legend()
plt.show()

# %%
# Does it hold?
# -------------
# Small images of a rendered texture, so that many fit into a second. Each round fits
# and calibrates on its own images; 100 others, all good, are then judged.
from sklearn.model_selection import ShuffleSplit

from skuad.calibration import ConformalDetector
from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN

asked = 0.05
pool = make_defect_images("noise", n_train=400, n_good=0, n_defective=0, size=32).train
rng = np.random.default_rng(0)
bank = {"coreset": "random", "coreset_ratio": 0.5, "random_state": 0}
seen = {"held-out images": [], "training images": []}
for _ in range(10):
    order = rng.permutation(len(pool))
    train, new = pool[order[:120]], pool[order[300:]]
    promised = ConformalDetector(
        PatchKNN(**bank, calibration=None),
        false_alarm_rate=asked,
        cv=ShuffleSplit(1, test_size=0.5, random_state=0),
    ).fit(train)
    seen["held-out images"].append((promised.predict(new) == -1).mean())
    naive = PatchKNN(**bank, contamination=asked).fit(train)
    seen["training images"].append((naive.predict(new) == -1).mean())
for name, found in seen.items():
    error = np.std(found) / np.sqrt(len(found))
    print(f"{name}: {np.mean(found):.1%} of new good images flagged, +- {error:.1%}")

# %%
# The guarantee is about the average over calibration sets: of the dots in the lower row,
# some lie above the line, and the mean of ten is known to within its error only. A
# threshold from the images that the detector has learnt flags many more, since these look
# better than any new image can.
figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
for row, found in enumerate(seen.values()):
    ax.plot(100 * np.array(found), np.full(len(found), row), "o", alpha=0.6)
ax.axvline(100 * asked, color="black", linestyle="--")
ax.set(yticks=[0, 1], yticklabels=list(seen), ylim=(-0.5, 1.5), xlabel="flagged, %")
plt.show()

# %%
# p-values
# --------
# Of good images p-values are spread evenly; those of defective ones are low.
data = make_defect_images("noise", n_train=0, n_good=40, n_defective=40, size=32)
p_values = promised.p_values(data.test)
figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
bins = np.linspace(0, 1, 21)
ax.hist(p_values[data.target == 1], bins, alpha=0.6, label="good")
ax.hist(p_values[data.target == -1], bins, alpha=0.6, label="defective")
ax.set(xlabel="p-value", ylabel="images")
ax.legend()
plt.show()
