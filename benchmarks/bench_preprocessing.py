"""White balance, homomorphic filtering and tiling, beside the naive way in numpy.

Ratios are of the least CPU times of calls taken in turns in one process, so that other
load on the machine touches both sides; above 1 is faster than the naive way.
"""

import time

import cv2
import numpy as np

from skuad.preprocessing import (
    extract_tile,
    gray_world_white_balance,
    homomorphic_filter,
    iter_tile_coords,
    max_rgb_white_balance,
    stitch_maps,
)

TILE = 512


def make_photo(dtype="uint8", shape=(3000, 4096, 3)):
    """Smooth colours and sensor noise, nothing saturated."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (shape[0] // 64, shape[1] // 64, 3), np.uint8)
    photo = cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC)
    photo = cv2.add(photo, rng.integers(0, 8, shape, np.uint8))
    if dtype == "uint16":
        return photo.astype(np.uint16) * 257
    return photo if dtype == "uint8" else photo.astype(np.float32) / 255


def ratio(naive, ours, n_pairs=3):
    seconds = {naive: [], ours: []}
    ours()
    for _ in range(n_pairs):
        for function, taken in seconds.items():
            start = time.process_time()
            function()
            taken.append(time.process_time() - start)
    return min(seconds[naive]) / min(seconds[ours])


def to_uint8(image):
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


class WhiteBalance:
    """One image of 12 megapixels in colour."""

    params = (["uint8", "uint16", "float32"],)
    param_names = ("dtype",)

    def setup(self, dtype):
        self.photo = make_photo(dtype)

    def time_gray_world(self, dtype):
        gray_world_white_balance(self.photo)

    def time_gray_world_without_saturated(self, dtype):
        gray_world_white_balance(self.photo, exclude_saturated=True)

    def time_max_rgb(self, dtype):
        max_rgb_white_balance(self.photo)


class WhiteBalanceRatio:
    """Against float64 arrays, in uint8."""

    timeout = 300

    def setup(self):
        self.photo = make_photo()

    def naive_gray_world(self):
        image = self.photo.astype(np.float64)
        means = image.mean(axis=(0, 1))
        return to_uint8(image * (means.mean() / means))

    def naive_max_rgb(self):
        image = self.photo.astype(np.float64)
        brightest = np.percentile(image, 99.5, axis=(0, 1), method="inverted_cdf")
        return to_uint8(image * (brightest.max() / brightest))

    def track_gray_world(self):
        ours = gray_world_white_balance(self.photo)
        assert np.array_equal(ours, self.naive_gray_world())
        return ratio(
            self.naive_gray_world, lambda: gray_world_white_balance(self.photo)
        )

    def track_max_rgb(self):
        ours = max_rgb_white_balance(self.photo)
        assert np.array_equal(ours, self.naive_max_rgb())
        return ratio(self.naive_max_rgb, lambda: max_rgb_white_balance(self.photo))


class Homomorphic:
    """One image of 12 megapixels, gray or in colour."""

    params = (["gray", "colour"], ["uint8", "uint16", "float32"])
    param_names = ("kind", "dtype")

    def setup(self, kind, dtype):
        photo = make_photo(dtype)
        self.photo = photo if kind == "colour" else photo[..., 0].copy()

    def time_filter(self, kind, dtype):
        homomorphic_filter(self.photo)

    def peakmem_filter(self, kind, dtype):
        homomorphic_filter(self.photo)

    def peakmem_reference(self, kind, dtype):
        """The process and the photo alone, to subtract."""


class HomomorphicRatio:
    """Against the textbook in float64, which wraps around at the borders."""

    timeout = 300

    def setup(self):
        self.photo = make_photo()[..., 0].copy()

    def naive(self):
        log = np.log1p(self.photo.astype(np.float64))
        down, across = (np.fft.fftfreq(n) * max(log.shape) / 4 for n in log.shape)
        high = 1 - np.exp(-(down[:, None] ** 2 + across**2) / 2)
        spectrum = np.fft.fft2(log) * (0.5 + high)
        image = np.expm1(np.fft.ifft2(spectrum).real)
        return to_uint8(image * self.photo.mean() / image.mean())

    def track_filter(self):
        return ratio(self.naive, lambda: homomorphic_filter(self.photo))


class Tiling:
    """Tiles of 512 x 512 of an image of 4096 x 4096."""

    params = ([512, 384, 256], ["max", "mean", "blend"])
    param_names = ("stride", "reduce")

    def setup(self, stride, reduce):
        self.image = make_photo(shape=(4096, 4096, 3))
        grid = iter_tile_coords(4096, 4096, tile=TILE, stride=stride)
        self.coords = list(grid)
        shape = (len(self.coords), TILE, TILE)
        self.maps = np.random.default_rng(0).random(shape, np.float32)

    def extract(self):
        return np.stack([extract_tile(self.image, *c, tile=TILE) for c in self.coords])

    def time_extract(self, stride, reduce):
        self.extract()

    def time_stitch(self, stride, reduce):
        stitch_maps(self.maps, self.coords, (4096, 4096), reduce=reduce)

    def naive(self):
        ramp = np.minimum(np.arange(1, TILE + 1), np.arange(TILE, 0, -1))
        window = np.outer(ramp, ramp).astype(np.float64)
        total, weights = np.zeros((4096, 4096)), np.zeros((4096, 4096))
        for tile_map, (y, x) in zip(self.maps, self.coords, strict=True):
            total[y : y + TILE, x : x + TILE] += tile_map * window
            weights[y : y + TILE, x : x + TILE] += window
        return total / weights

    def track_stitch_against_weight_image(self, stride, reduce):
        stitched = stitch_maps(self.maps, self.coords, (4096, 4096), reduce=reduce)
        assert reduce != "blend" or np.allclose(stitched, self.naive(), atol=1e-6)
        return ratio(self.naive, lambda: self.time_stitch(stride, reduce))

    def track_stitch_gigabytes_per_second(self, stride, reduce):
        """Each map is read, and the output below it is read and written."""
        start = time.process_time()
        self.time_stitch(stride, reduce)
        return 3 * self.maps.nbytes / (time.process_time() - start) / 1e9
