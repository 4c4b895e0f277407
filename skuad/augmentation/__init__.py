"""Augmentation: what cameras do to images, changes of pose, and planted defects."""

from skuad.augmentation._blur import defocus_blur, motion_blur
from skuad.augmentation._camera import (
    adjust_gamma,
    exposure_shift,
    jpeg_compress,
    random_channel_gain,
)
from skuad.augmentation._camera_transformers import (
    ChannelGain,
    ExposureShift,
    Gamma,
    JPEGCompression,
    SensorNoise,
)
from skuad.augmentation._compose import Compose, make_industrial_camera_augmenter
from skuad.augmentation._defects import defect_kinds, plant_defect, random_defect
from skuad.augmentation._geometry import random_flip, random_rotation, random_shift
from skuad.augmentation._lens_transformers import DefocusBlur, MotionBlur, Vignette
from skuad.augmentation._noise import sensor_noise
from skuad.augmentation._vignette import vignette

__all__ = [
    "ChannelGain",
    "Compose",
    "DefocusBlur",
    "ExposureShift",
    "Gamma",
    "JPEGCompression",
    "MotionBlur",
    "SensorNoise",
    "Vignette",
    "adjust_gamma",
    "defect_kinds",
    "defocus_blur",
    "exposure_shift",
    "jpeg_compress",
    "make_industrial_camera_augmenter",
    "motion_blur",
    "plant_defect",
    "random_channel_gain",
    "random_defect",
    "random_flip",
    "random_rotation",
    "random_shift",
    "sensor_noise",
    "vignette",
]
