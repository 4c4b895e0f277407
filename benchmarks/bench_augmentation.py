"""Augmentation of a 12-megapixel colour image, beside a copy of it and OpenCV's codec.

Ratios are of CPU times of calls taken in turns in one process, the least of each. The
floor is a copy: every effect has to read the image and to write another. Run as a script
it prints all ratios: ``python -m benchmarks.bench_augmentation``.
"""

import time

import cv2

from benchmarks.bench_preprocessing import make_photo
from skuad.augmentation import (
    adjust_gamma,
    defocus_blur,
    exposure_shift,
    jpeg_compress,
    make_industrial_camera_augmenter,
    motion_blur,
    random_channel_gain,
    sensor_noise,
    vignette,
)

EFFECTS = {
    "vignette 0.3": lambda image: vignette(image, 0.3),
    "channel gain": random_channel_gain,
    "exposure": lambda image: exposure_shift(image, 0.5),
    "gamma": lambda image: adjust_gamma(image, 1.2),
    "noise, read only": lambda image: sensor_noise(image, 0.01, 0.0),
    "noise, read and shot": sensor_noise,
    "defocus, radius 1": lambda image: defocus_blur(image, 1.0),
    "defocus, radius 2": lambda image: defocus_blur(image, 2.0),
    "motion, 2 pixels along rows": lambda image: motion_blur(image, 2, 0),
    "motion, 5 pixels along rows": lambda image: motion_blur(image, 5, 0),
    "motion, 5 pixels at 45 degrees": lambda image: motion_blur(image, 5, 45),
}


def ratio(function, floor, n_pairs=7):
    """Least CPU time of a function as a multiple of that of another."""
    seconds = {function: [], floor: []}
    function(), floor()
    for _ in range(n_pairs):
        for call, taken in seconds.items():
            start = time.process_time()
            call()
            taken.append(time.process_time() - start)
    return min(seconds[function]) / min(seconds[floor])


class Augmentation:
    """One image of 12 megapixels in colour, in multiples of a copy."""

    params = (list(EFFECTS), ["uint8", "uint16", "float32"])
    param_names = ("effect", "dtype")

    def setup(self, effect, dtype):
        self.photo = make_photo(dtype)

    def time_effect(self, effect, dtype):
        EFFECTS[effect](self.photo)

    def track_copies(self, effect, dtype):
        return ratio(lambda: EFFECTS[effect](self.photo), self.photo.copy)


class JPEG:
    """One image of 12 megapixels in colour, against OpenCV's encoder and decoder."""

    def setup(self):
        self.photo = make_photo()

    def codec(self):
        _, file = cv2.imencode(".jpg", self.photo, [cv2.IMWRITE_JPEG_QUALITY, 90])
        return cv2.imdecode(file, cv2.IMREAD_COLOR)

    def time_jpeg(self):
        jpeg_compress(self.photo, 90)

    def track_codecs(self):
        return ratio(lambda: jpeg_compress(self.photo, 90), self.codec)


class Preset:
    """The whole preset, per image of 256 x 256 and of 12 megapixels."""

    params = ([256, 3000],)
    param_names = ("height",)

    def setup(self, height):
        photo = make_photo(shape=(height, 256 if height == 256 else 4096, 3))
        self.stack, self.augmenter = photo[None], make_industrial_camera_augmenter()

    def time_preset(self, height):
        self.augmenter.transform(self.stack)

    def peakmem_preset(self, height):
        self.augmenter.transform(self.stack)

    def peakmem_reference(self, height):
        """The process and the photo alone, to subtract."""


def main():
    cv2.setNumThreads(1)
    jpeg = JPEG()
    jpeg.setup()
    print(f"JPEG, in calls of the codec: {jpeg.track_codecs():.2f}\n")
    print(
        "| in copies of the image | uint8 | uint16 | float32 |\n| --- | --- | --- | --- |"
    )
    photos = [make_photo(dtype) for dtype in ("uint8", "uint16", "float32")]
    for name, effect in EFFECTS.items():
        cells = [
            f"{ratio(lambda: effect(photo), photo.copy):.1f}"  # noqa: B023
            for photo in photos
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
