"""
=================
Tiling a 4k image
=================

A crack that is 2 pixels wide vanishes when an image of 3840 x 2160 pixels is shrunk
to the size that a detector likes. `Tiled` cuts the image into tiles at full resolution,
runs the detector on each, and stitches the maps together.
"""

# %%
# Images
# ------
# Two good images, and one with a crack and a stain.
import cv2
import numpy as np
from matplotlib import pyplot as plt

from skuad.augmentation import plant_defect


def sheet_metal(seed):
    """Render brushed metal of 2160 x 3840 pixels."""
    rng = np.random.default_rng(seed)
    lines = rng.normal(0, 8, (2160, 3840 // 16)).astype(np.float32)
    lines = cv2.resize(lines, (3840, 2160))
    grain = rng.normal(0, 12, lines.shape).astype(np.float32)
    grain = cv2.blur(grain, (9, 1))
    light = np.linspace(150, 120, 3840) + rng.normal(0, 2)
    image = np.clip(light + lines + grain, 0, 255).astype(np.uint8)
    return np.repeat(image[..., None], 3, axis=2)


train = [sheet_metal(seed) for seed in range(2)]
image, mask = sheet_metal(7), np.zeros((2160, 3840), bool)
for kind, (y, x) in {"crack": (500, 700), "stain": (1500, 2900)}.items():
    window = np.s_[y : y + 256, x : x + 256]
    image[window], mask[window] = plant_defect(image[window], kind, 1)
print(image.shape, f"{mask.mean():.2%} of the pixels are defective")

# %%
# Fit on tiles, predict on images
# -------------------------------
# The detector learns from the tiles; whole images go in and come out. With so few
# images there is no threshold to be had, so `calibration=None` leaves it out.
from time import perf_counter

from skuad.detectors import PatchKNN, Tiled
from skuad.feature_extraction import FilterBankEmbedder

detector = Tiled(
    PatchKNN(FilterBankEmbedder(stride=8), coreset_ratio=0.005, random_state=0),
    tile=512,
    stride=448,
    calibration=None,
).fit(train)
start = perf_counter()
anomaly_map = detector.transform([image])[0]
print(anomaly_map.shape, f"{perf_counter() - start:.1f} s")

# %%
# Tiles overlap by 64 pixels, and the maps are blended there: no seams. Two places are
# shown at full resolution, with the true defects outlined in cyan in the map.
from skuad.inspection import overlay

lowest, highest = np.quantile(anomaly_map, [0.5, 0.999])
shown = overlay(image, anomaly_map, vmin=lowest, vmax=highest)
figure, axes = plt.subplots(
    1, 5, figsize=(12, 2.3), width_ratios=[1.78, 1, 1, 1, 1], layout="tight"
)
axes[0].imshow(shown[::4, ::4])
axes[0].set_title("3840 x 2160")
for pair, (y, x) in zip([axes[1:3], axes[3:]], [(450, 650), (1450, 2850)], strict=True):
    place = np.s_[y : y + 356, x : x + 356]
    pair[0].imshow(image[place])
    pair[0].set_title(f"at {x}, {y}")
    pair[1].imshow(
        overlay(
            image[place],
            anomaly_map[place],
            mask=mask[place],
            vmin=lowest,
            vmax=highest,
        )
    )
    pair[1].set_title("its map")
for ax in axes:
    ax.set_axis_off()
plt.show()

# %%
# Where the highest values are, as numbers. The threshold is the highest value on a good
# image that was not learnt:
from skuad.postprocessing import mask_regions

threshold = detector.transform([sheet_metal(2)])[0].max()
for region in mask_regions(anomaly_map, anomaly_map > threshold)[:4]:
    print(region["box"], region["area"], "pixels, peak", round(region["peak"], 1))
