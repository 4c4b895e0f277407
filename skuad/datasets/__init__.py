"""Data sets: folders of images as paths and targets, and generated images."""

from skuad.datasets._generated import make_defect_images

__all__ = ["make_defect_images"]
