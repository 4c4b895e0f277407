"""Reading and writing images, and sequences of them that are read on access."""

from skuad.io._find import IMAGE_SUFFIXES, find_images, natural_key
from skuad.io._masks import read_mask
from skuad.io._read import read_image, select_readable
from skuad.io._sequence import ImageSequence
from skuad.io._write import atomic_path, dump_atomically, write_image

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageSequence",
    "atomic_path",
    "dump_atomically",
    "find_images",
    "natural_key",
    "read_image",
    "read_mask",
    "select_readable",
    "write_image",
]
