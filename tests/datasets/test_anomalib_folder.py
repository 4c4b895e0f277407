import numpy as np
import pytest

from skuad.datasets import export_anomalib_folder
from skuad.io import find_images, read_image, read_mask, write_image
from skuad.utils._testing_images import make_images

TRAIN, TEST = make_images(3), make_images(4, seed=1)
MASKS = np.zeros(TEST.shape[:3], bool)
MASKS[1, 3:9, 4:8] = MASKS[3, :2] = True


def test_images_and_masks_come_back(tmp_path):
    arguments = export_anomalib_folder(tmp_path / "out", TRAIN, TEST, MASKS)
    root = tmp_path / "out"
    for name, expected in [
        ("normal_dir", TRAIN),
        ("normal_test_dir", TEST[[0, 2]]),
        ("abnormal_dir", TEST[[1, 3]]),
    ]:
        found = [read_image(path) for path in find_images(root / arguments[name])]
        np.testing.assert_array_equal(found, expected)
    found = [read_mask(path) for path in find_images(root / arguments["mask_dir"])]
    np.testing.assert_array_equal(found, MASKS[[1, 3]])


def test_paths_and_masks_in_files(tmp_path):
    write_image(tmp_path / "a.png", TEST[1])
    write_image(tmp_path / "a_mask.png", MASKS[1].astype(np.uint8))
    arguments = export_anomalib_folder(
        tmp_path / "out",
        [str(tmp_path / "a.png")],
        [str(tmp_path / "a.png")],
        np.array([str(tmp_path / "a_mask.png")]),
    )
    assert "normal_test_dir" not in arguments
    (path,) = find_images(tmp_path / "out" / arguments["mask_dir"])
    np.testing.assert_array_equal(read_mask(path), MASKS[1])


def test_labels_have_no_masks(tmp_path):
    y = [1, -1, 1, -1]
    arguments = export_anomalib_folder(tmp_path / "a", TRAIN, TEST, y)
    assert "mask_dir" not in arguments
    mixed = [None, MASKS[1], None, -1]
    arguments = export_anomalib_folder(tmp_path / "b", TRAIN, TEST, mixed)
    assert "mask_dir" not in arguments and "abnormal_dir" in arguments


def test_bad_input(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        export_anomalib_folder(tmp_path, TRAIN)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        export_anomalib_folder(tmp_path / "a", TRAIN, TEST, [1, -1])
    with pytest.raises(ValueError, match="code them as"):
        export_anomalib_folder(tmp_path / "b", TRAIN, TEST, [0, 1, 0, 1])
