"""Data sets: listing files, and reading images beside the bare decoder.

Ratios are paired: our loop and the decoder's read the same files in turns, in one
process, and the least CPU time of each counts, so that other load on the machine
touches both sides. ``python bench_datasets.py`` prints all of it.
"""

import os
import tempfile
import time
import tracemalloc

import cv2
import numpy as np

from skuad.base import MapDetector
from skuad.datasets import load_mvtec_ad, load_visa
from skuad.io import ImageSequence
from skuad.model_selection import run_benchmark

# name of the format: (suffix, height, width, channels)
FORMATS = {
    "png, 1024 x 1024": (".png", 1024, 1024, 3),
    "png, 900 x 900, gray": (".png", 900, 900, 1),
    "jpg, 1284 x 1562": (".jpg", 1284, 1562, 3),
    "bmp, 600 x 600": (".bmp", 600, 600, 3),
    "png, 256 x 256": (".png", 256, 256, 3),
}


def make_photo(height, width, channels, seed=0):
    """Make a textured image, uint8, that compresses as photographs do."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (height // 8, width // 8, channels), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    image = image.reshape(height, width, channels)
    return cv2.add(image, rng.integers(0, 6, image.shape, np.uint8))


def write_photos(folder, suffix, shape, n_images):
    """Write images and return their paths."""
    paths = []
    for seed in range(n_images):
        paths.append(os.path.join(folder, f"{seed:03}{suffix}"))
        cv2.imwrite(paths[-1], make_photo(*shape, seed=seed))
    return paths


def write_category(root, n_files):
    """Write a category of MVTec AD, and one of VisA, with empty files for images."""
    n_bad = n_files // 4
    folder = os.path.join(root, "mvtec", "bottle")
    for place, n in (("train/good", n_files - 2 * n_bad), ("test/good", n_bad)):
        touch(os.path.join(folder, place), [f"{i:04}.png" for i in range(n)])
    touch(os.path.join(folder, "test/scratch"), [f"{i:04}.png" for i in range(n_bad)])
    masks = os.path.join(folder, "ground_truth/scratch")
    touch(masks, [f"{i:04}_mask.png" for i in range(n_bad)])
    folder = os.path.join(root, "visa", "candle", "Data")
    good = [f"{i:04}.JPG" for i in range(n_files - n_bad)]
    bad = [f"{i:03}.JPG" for i in range(n_bad)]
    touch(os.path.join(folder, "Images/Normal"), good)
    touch(os.path.join(folder, "Images/Anomaly"), bad)
    masks = [name.replace(".JPG", ".png") for name in bad]
    touch(os.path.join(folder, "Masks/Anomaly"), masks)
    rows = ["object,split,label,image,mask"]
    for i, name in enumerate(good):
        split = "train" if i % 2 else "test"
        rows.append(f"candle,{split},normal,candle/Data/Images/Normal/{name},")
    for name, mask in zip(bad, masks, strict=True):
        image = f"candle/Data/Images/Anomaly/{name}"
        rows.append(f"candle,test,anomaly,{image},candle/Data/Masks/Anomaly/{mask}")
    os.makedirs(os.path.join(root, "visa/split_csv"))
    with open(os.path.join(root, "visa/split_csv/1cls.csv"), "w") as file:
        file.write("\n".join(rows) + "\n")


def touch(folder, names):
    os.makedirs(folder)
    for name in names:
        open(os.path.join(folder, name), "w").close()


def read_all(images):
    """Decode every image of a lazy sequence."""
    for _ in images:
        pass


def decode_all(paths):
    """Decode every file with OpenCV."""
    for path in paths:
        cv2.imread(path, cv2.IMREAD_UNCHANGED)


def paired_ratio(paths, *, n_rounds):
    """Ratio of the least CPU times of reading the files, ours to OpenCV's."""
    images, totals = ImageSequence(paths), np.zeros(2)
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # CPU time counts threads that wait, too
    for index, path in enumerate(paths):
        least = np.full(2, np.inf)
        for turn in range(2 * n_rounds):
            which = (turn + turn // 2) % 2  # each as often first as second
            begun = time.process_time_ns()
            if which == 0:
                images[index]
            else:
                cv2.imread(path, cv2.IMREAD_UNCHANGED)
            least[which] = min(least[which], time.process_time_ns() - begun)
        totals += least
    cv2.setNumThreads(n_threads)
    return float(totals[0] / totals[1])


def peak_of_reading(paths):
    """Peak of the memory that Python and NumPy allocate while images are read."""
    tracemalloc.start()
    try:
        read_all(ImageSequence(paths))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Brightness(MapDetector):
    """The least that a detector can be: its memory is that of what surrounds it."""

    def __init__(self, false_alarm_rate=0.01, contamination=None, calibration=None):
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration

    def _fit_images(self, images):
        pass

    def _detect(self, images):
        for image in images:
            anomaly_map = image.mean(axis=2, dtype=np.float32)
            yield anomaly_map, anomaly_map.max()


class Listing:
    """List a category of 10,000 files; no image is opened, since they are empty."""

    def setup(self):
        self.folder = tempfile.TemporaryDirectory()
        write_category(self.folder.name, 10_000)

    def teardown(self):
        self.folder.cleanup()

    def time_mvtec_ad(self):
        load_mvtec_ad(os.path.join(self.folder.name, "mvtec"), "bottle")

    def time_visa(self):
        load_visa(os.path.join(self.folder.name, "visa"), "candle")


class Reading:
    """Iterate over decoded images."""

    params = (list(FORMATS),)
    param_names = ("format",)
    timeout = 300

    def setup(self, kind):
        self.folder = tempfile.TemporaryDirectory()
        suffix, *shape = FORMATS[kind]
        self.paths = write_photos(self.folder.name, suffix, shape, 8)

    def teardown(self, kind):
        self.folder.cleanup()

    def time_sequence(self, kind):
        read_all(ImageSequence(self.paths))

    def time_bare_decoder(self, kind):
        decode_all(self.paths)

    def track_ratio_to_bare_decoder(self, kind):
        return paired_ratio(self.paths, n_rounds=25)

    track_ratio_to_bare_decoder.unit = "ratio"


class Memory:
    """More images take no more memory: reading them, and a benchmark on them."""

    params = ([100, 300],)
    param_names = ("n_images",)

    def setup(self, n_images):
        self.folder = tempfile.TemporaryDirectory()
        self.paths = write_photos(self.folder.name, ".png", (512, 512, 3), 8)
        self.paths = (self.paths * n_images)[:n_images]

    def teardown(self, n_images):
        self.folder.cleanup()

    def track_peak(self, n_images):
        return peak_of_reading(self.paths)

    track_peak.unit = "bytes"

    def track_benchmark(self, n_images):
        masks = np.array([""] * n_images, dtype=object)
        masks[-1] = self.paths[0]
        data = {
            "images": np.array(self.paths[:2] + self.paths),
            "target": np.array([1] * (n_images + 1) + [-1]),
            "masks": np.array(["", "", *masks]),
            "split": np.array(["train"] * 2 + ["test"] * n_images),
        }
        table = run_benchmark(Brightness(), data, metrics="image_roc_auc")
        return table[0]["peak_memory_mb"]

    track_benchmark.unit = "MB"


def main():
    listing = Listing()
    listing.setup()
    for name in ("time_mvtec_ad", "time_visa"):
        seconds = []
        for _ in range(5):
            begun = time.process_time()
            getattr(listing, name)()
            seconds.append(time.process_time() - begun)
        print(f"listing 10,000 files, {name[5:]}: {1000 * min(seconds):.0f} ms CPU")
    listing.teardown()
    for kind in FORMATS:
        reading = Reading()
        reading.setup(kind)
        ratio = reading.track_ratio_to_bare_decoder(kind)
        print(f"reading, {kind}: {ratio:.3f} of the bare decoder's time")
        reading.teardown(kind)
    for n_images in Memory.params[0]:
        memory = Memory()
        memory.setup(n_images)
        print(f"reading {n_images} images: {memory.track_peak(n_images) / 1e6:.2f} MB")
        peak = memory.track_benchmark(n_images)
        print(f"run_benchmark on {n_images} images: {peak:.1f} MB resident")
        memory.teardown(n_images)


if __name__ == "__main__":
    main()
