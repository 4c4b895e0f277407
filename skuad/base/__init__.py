"""The contract: what an image transformer and a map detector owe their users."""

from skuad.base._detect import detect, final_step, pixel_threshold_of, threshold_of
from skuad.base._image_transformer import ImageTransformer
from skuad.base._map_detector import MapDetector
from skuad.base._meta_map_detector import MetaMapDetector
from skuad.base._pool import mask_outside, pool_map
from skuad.utils._validation import good_images, validate_images

__all__ = [
    "ImageTransformer",
    "MapDetector",
    "MetaMapDetector",
    "detect",
    "final_step",
    "good_images",
    "mask_outside",
    "pixel_threshold_of",
    "pool_map",
    "threshold_of",
    "validate_images",
]
