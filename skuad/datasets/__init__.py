"""Data sets: folders of images as paths and targets, and generated images."""

from skuad.datasets._anomalib_folder import export_anomalib_folder
from skuad.datasets._btad import load_btad
from skuad.datasets._elpv import load_elpv
from skuad.datasets._fake_tree import make_fake_tree
from skuad.datasets._folder import load_image_folder
from skuad.datasets._generated import make_defect_images
from skuad.datasets._mvtec import load_mvtec_ad
from skuad.datasets._mvtec_ad2 import load_mvtec_ad2, score_by_condition
from skuad.datasets._mvtec_loco import load_mvtec_loco
from skuad.datasets._registry import list_categories, list_datasets, load_dataset
from skuad.datasets._submission import check_submission, write_submission
from skuad.datasets._visa import load_visa

__all__ = [
    "check_submission",
    "export_anomalib_folder",
    "list_categories",
    "list_datasets",
    "load_btad",
    "load_dataset",
    "load_elpv",
    "load_image_folder",
    "load_mvtec_ad",
    "load_mvtec_ad2",
    "load_mvtec_loco",
    "load_visa",
    "make_defect_images",
    "make_fake_tree",
    "score_by_condition",
    "write_submission",
]
