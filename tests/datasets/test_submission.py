import os
import shutil

import numpy as np
import pytest
import tifffile

from skuad.datasets import _submission as submission
from skuad.datasets import check_submission, load_mvtec_ad2, write_submission
from skuad.io import read_image, write_image
from skuad.utils._testing_trees import SIZE, make_mvtec_ad2


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two categories with two images in each private split."""
    counts = {"can": 2, "vial": 2}
    for name in counts:
        make_mvtec_ad2(tmp_path / "ad2", name)
    monkeypatch.setattr(submission, "PRIVATE_IMAGES", counts)
    return tmp_path / "ad2"


@pytest.fixture
def out(root, tmp_path):
    data = load_mvtec_ad2(root, "all", split="private")
    write_submission(tmp_path / "out", data, maps_of(data), 0.5)
    return tmp_path / "out"


def maps_of(data, dtype=np.float32):
    for i in range(len(data.images)):
        yield np.random.default_rng(i).random(SIZE).astype(dtype)


def test_what_is_written_is_complete(root, out):
    assert check_submission(out) == []
    assert check_submission(out, root) == []
    files = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert len(files) == 16
    assert files[0] == os.path.join(
        "anomaly_images", "can", "test_private", "000_regular.tiff"
    )
    data = load_mvtec_ad2(root, "all", split="private")
    for i, (category, split) in enumerate(zip(data.category, data.split, strict=True)):
        stem = os.path.splitext(os.path.basename(data.images[i]))[0]
        tiff = out / "anomaly_images" / category / split / f"{stem}.tiff"
        png = out / "anomaly_images_thresholded" / category / split / f"{stem}.png"
        expected = np.random.default_rng(i).random(SIZE).astype(np.float32)
        written = tifffile.imread(tiff)
        assert written.dtype == np.float16
        np.testing.assert_array_equal(written, expected.astype(np.float16))
        np.testing.assert_array_equal(read_image(png), (expected > 0.5) * np.uint8(255))


def test_category_by_category(root, tmp_path):
    for name, threshold in (("can", 0.2), ("vial", 0.8)):
        data = load_mvtec_ad2(root, name, split="private")
        n = write_submission(tmp_path / "out", data, maps_of(data), {name: threshold})
        assert n == 4
    assert check_submission(tmp_path / "out", root) == []
    shares = [
        read_image(next((tmp_path / "out").rglob(f"{name}/test_private/*.png"))).mean()
        for name in ("can", "vial")
    ]
    assert shares[0] > 150 > 100 > shares[1]


def test_every_fault_is_told(root, out):
    tiffs = out / "anomaly_images/can/test_private"
    pngs = out / "anomaly_images_thresholded/vial/test_private_mixed"
    os.remove(tiffs / "000_regular.tiff")
    tifffile.imwrite(tiffs / "001_regular.tiff", np.zeros(SIZE, np.float32))
    write_image(pngs / "000_mixed.png", np.ones(SIZE, np.uint8))
    write_image(pngs / "001_mixed.png", np.zeros((4, 5), np.uint8))
    write_image(pngs / "002_mixed.png", np.zeros(SIZE, np.uint8))
    (out / "readme.txt").touch()
    (out / "anomaly_images/fabric").mkdir()
    shutil.rmtree(out / "anomaly_images/vial/test_private")
    shutil.rmtree(out / "anomaly_images_thresholded/can")
    faults = [fault.replace(os.sep, "/") for fault in check_submission(out, root)]
    assert faults == [
        "readme.txt: does not belong here",
        "anomaly_images/fabric/: does not belong here",
        "anomaly_images/can/test_private/001_regular.tiff: must be float16, is float32",
        "anomaly_images/can/test_private/000_regular.tiff: missing",
        "anomaly_images/vial/test_private/: missing",
        "anomaly_images_thresholded/can/: missing",
        "anomaly_images_thresholded/vial/test_private_mixed/000_mixed.png: must be "
        "uint8 with 0 and 255, is uint8 with [1]",
        "anomaly_images_thresholded/vial/test_private_mixed/001_mixed.png: is 4 x 5, "
        "its image 32 x 40",
        "anomaly_images_thresholded/vial/test_private_mixed/002_mixed.png: does not "
        "belong here",
    ]
    faults = check_submission(out)
    assert "anomaly_images/can/test_private/: 2 files are needed, found 1" in faults


def test_files_that_cannot_be_used(out):
    folder = out / "anomaly_images/can/test_private"
    (folder / "000_regular.tiff").write_bytes(b"no image")
    tifffile.imwrite(folder / "001_regular.tiff", np.full(SIZE, np.inf, np.float16))
    tifffile.imwrite(
        out / "anomaly_images/vial/test_private/000_regular.tiff",
        np.zeros((*SIZE, 3), np.float16),
        photometric="rgb",
    )
    faults = check_submission(out)
    assert len(faults) == 3
    assert "cannot be read" in faults[0]
    assert "not finite" in faults[1]
    assert "two dimensions" in faults[2]


def test_nothing_there(tmp_path):
    assert check_submission(tmp_path) == [
        "anomaly_images/: missing",
        "anomaly_images_thresholded/: missing",
    ]
    with pytest.raises(FileNotFoundError):
        check_submission(tmp_path / "x")


def replaced(data, i, new):
    maps = list(maps_of(data, np.float64))
    maps[i] = new
    return maps


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (np.zeros((4, 5)), r"has shape \(4, 5\), the image \(32, 40\)"),
        (np.full(SIZE, np.nan), "not finite"),
        (np.full(SIZE, 7e4), "float16 ends at 65504: divide"),
    ],
)
def test_maps_that_the_server_would_not_take(root, tmp_path, new, message):
    data = load_mvtec_ad2(root, "can", split="private")
    with pytest.raises(ValueError, match=message):
        write_submission(tmp_path / "out", data, replaced(data, 1, new), 0.5)


def test_bad_arguments(root, tmp_path):
    data = load_mvtec_ad2(root, "can", split="private")
    maps = list(maps_of(data))
    with pytest.raises(ValueError, match="3 maps for 4 images"):
        write_submission(tmp_path / "out", data, maps[:3], 0.5)
    with pytest.raises(ValueError, match="more maps than the 4 images"):
        write_submission(tmp_path / "out", data, [*maps, maps[0]], 0.5)
    with pytest.raises(ValueError, match="no threshold for 'can'"):
        write_submission(tmp_path / "out", data, maps, {"vial": 0.5})
    public = load_mvtec_ad2(root, "can")
    with pytest.raises(ValueError, match="14 of 14 images are of other splits"):
        write_submission(tmp_path / "out", public, maps, 0.5)


def test_the_counts_are_the_publishers():
    from skuad.datasets._mvtec_ad2 import PRIVATE_IMAGES

    assert sum(PRIVATE_IMAGES.values()) == 2045 and len(PRIVATE_IMAGES) == 8
