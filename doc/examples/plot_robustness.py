"""
========================
When the camera drifts
========================

A detector that is good today may flag everything once the lamp has aged.
`robustness_curve` shows how far it can be trusted, and whether `Augmented` helps.
"""

# %%
# Two detectors
# -------------
# One is fitted on the images as they are, the other also on copies that have been
# through an imagined camera: darker, blurred, noisy.
from matplotlib import pyplot as plt

from skuad.augmentation import make_industrial_camera_augmenter
from skuad.datasets import make_defect_images
from skuad.detectors import Augmented, PatchKNN

data = make_defect_images("weave", n_train=30, n_good=20, n_defective=20, size=96)
plain = PatchKNN(false_alarm_rate=0.05, random_state=0)
augmented = Augmented(
    PatchKNN(random_state=0),
    make_industrial_camera_augmenter(),
    n_copies=2,
    calibrate_on="copies",
    false_alarm_rate=0.05,
)

# %%
# Corrupt the test images more and more
# -------------------------------------
from skuad.augmentation import DefocusBlur, ExposureShift, SensorNoise
from skuad.inspection import RobustnessDisplay
from skuad.model_selection import robustness_curve

corruptions = {
    "darker": lambda stops: ExposureShift(stops=-stops),
    "defocus": DefocusBlur,
    "noise": lambda deviation: SensorNoise(read=deviation, shot=0),
}
severities = {
    "darker": [0.2, 0.4, 0.6],
    "defocus": [0.5, 0.75, 1.0],
    "noise": [0.005, 0.01, 0.02],
}
results = {}
for name, detector in {"PatchKNN": plain, "Augmented": augmented}.items():
    results[name] = robustness_curve(
        detector.fit(data.train),
        data.test,
        data.masks,
        corruptions,
        severities,
        metrics=["aupro"],
    )
    for row in results[name].rows:
        print(
            f"{name:10} {row['corruption']:9} {row['severity']:6.3f}   "
            f"false alarms {row['false_alarm_rate']:4.0%}   "
            f"found {row['detection_rate']:4.0%}   AUPRO {row['aupro']:.2f}"
        )

# %%
# The detector that has only seen a steady camera (dashed: without corruption):
RobustnessDisplay(*results["PatchKNN"]).plot()
plt.show()

# %%
# The one that was fitted on augmented copies. There are no false alarms any more, but of
# the defects in clean images only 25 % are found in place of 65 %.
RobustnessDisplay(*results["Augmented"]).plot()
plt.show()
