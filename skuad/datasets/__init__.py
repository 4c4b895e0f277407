"""Data sets: folders of images as paths and targets, and generated images."""

from skuad.datasets._folder import load_image_folder
from skuad.datasets._generated import make_defect_images
from skuad.datasets._mvtec import load_mvtec_ad
from skuad.datasets._registry import list_categories, list_datasets, load_dataset

__all__ = [
    "list_categories",
    "list_datasets",
    "load_dataset",
    "load_image_folder",
    "load_mvtec_ad",
    "make_defect_images",
]
