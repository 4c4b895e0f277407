"""
==========================
The protocol of MVTec AD 2
==========================

MVTec AD 2 shows every scene in several kinds of light, of which the training images have
one. Two of its test sets have no public labels: a server of the publisher scores what is
sent in. Both parts are here, from loading to the archive that the server takes.

The data set has to be fetched from its publisher, so this example writes a folder of
noise in the same layout. **Its numbers mean nothing**; with your copy, the same program
runs the protocol.
"""

# %%
# The public test set
# -------------------
# One row for all images, then one for every kind of light. `seg_f1` is the F1 of the
# pixels at the detector's own threshold, AUPRO goes up to a false-positive rate of 0.05.
import tempfile
from pathlib import Path

from skuad.datasets import load_mvtec_ad2, make_fake_tree
from skuad.detectors import PatchKNN
from skuad.model_selection import run_benchmark

folder = tempfile.TemporaryDirectory()
root = Path(folder.name, "data")  # your copy of the data set
make_fake_tree("mvtec_ad2", root, "vial")
detector = PatchKNN(false_alarm_rate=0.25, random_state=0)
table = run_benchmark(detector, "mvtec_ad2", root, verbose=0)
for row in table:
    print(
        f"{row['category']:6} {row['subset']:13} "
        f"AUPRO {row['aupro@0.05']:.3f}   F1 of pixels {row['seg_f1']:.3f}"
    )

# %%
# The threshold
# -------------
# Decisions on pixels are sent in at one threshold per object. It has to come from good
# images. Those of the validation set have not been learnt, so `ConformalDetector` can
# bound the share of good images in which any pixel will be marked.
from skuad.calibration import ConformalDetector

train = load_mvtec_ad2(root, "vial", split="train")
validation = load_mvtec_ad2(root, "vial", split="validation")
detector = PatchKNN(calibration=None, random_state=0).fit(train.images)
promised = ConformalDetector(detector, cv="prefit", false_alarm_rate=0.5)
promised.fit(validation.images)
print(f"validation images: {len(validation.images)}")
print(f"threshold of pixels: {-promised.pixel_offset_:.2f}")

# %%
# What is sent in
# ---------------
# Maps are made and written one by one. `check_submission` lists what the server would
# refuse: here, the seven other objects.
from skuad.base import detect
from skuad.datasets import check_submission, write_submission

private = load_mvtec_ad2(root, "vial", split="private")
out = Path(folder.name, "submission")
maps = (anomaly_map for anomaly_map, _ in detect(detector, private.images))
written = write_submission(out, private, maps, {"vial": -promised.pixel_offset_})
for path in sorted(out.rglob("*.*"))[:4]:
    print(path.relative_to(out).as_posix())
print(written, "images;", len(check_submission(out)), "faults, such as:")
print(check_submission(out)[0].replace(str(out), "submission"))

# %%
# Maps of the private set:
from matplotlib import pyplot as plt

from skuad.inspection import AnomalyMapDisplay

AnomalyMapDisplay.from_estimator(detector, private.images)
plt.show()
folder.cleanup()
