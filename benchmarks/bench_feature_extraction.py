"""Time and memory of the features that need no weights."""

import cv2
import numpy as np

from skuad.feature_extraction import (
    FilterBankEmbedder,
    coverage,
    filter_bank,
    upsample_map,
)


class FilterBank:
    """One image, on one core of OpenCV."""

    params = (["256 x 256", "12 megapixels"], ["gray", "colour"], ["uint8", "float32"])
    param_names = ("size", "kind", "dtype")

    def setup(self, size, kind, dtype):
        cv2.setNumThreads(1)
        shape = (256, 256) if size == "256 x 256" else (3000, 4096)
        shape += (3,) if kind == "colour" else ()
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        self.image = image if dtype == "uint8" else image.astype(np.float32) / 255

    def time_filter_bank(self, *_):
        filter_bank(self.image)

    def peakmem_filter_bank(self, *_):
        filter_bank(self.image)

    def peakmem_image_alone(self, *_):
        """What the process needs without the features, to subtract."""


class LineScans:
    """Many small samples: what a call costs beside the pixels."""

    def setup(self):
        cv2.setNumThreads(1)
        self.rows = np.random.default_rng(0).random((200, 64))

    def time_transform(self):
        FilterBankEmbedder().fit_transform(self.rows)


class Grid:
    """Between patches and pixels, 12 megapixels."""

    def setup(self):
        cv2.setNumThreads(1)
        rng = np.random.default_rng(0)
        self.grid = rng.random((375, 512), np.float32)
        self.mask = rng.random((3000, 4096)) < 0.5

    def time_upsample_map(self):
        upsample_map(self.grid, self.mask.shape)

    def time_coverage(self):
        coverage(self.mask, self.grid.shape)
