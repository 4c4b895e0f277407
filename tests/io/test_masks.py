import os

import cv2
import numpy as np
import pytest

from skuad.io._masks import read_mask, read_mask_channels


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


def channel(rows, columns, value, shape=(8, 10)):
    image = np.zeros(shape, np.uint8)
    image[rows, columns] = value
    return image


@pytest.fixture
def channels(tmp_path):
    """Three overlapping channels, the way MVTec LOCO stores one image's mask."""
    parts = {
        "000.png": channel(slice(0, 3), slice(0, 3), 1),
        "001.png": channel(slice(2, 5), slice(2, 5), 1),
        "002.png": channel(slice(6, 8), slice(0, 10), 255),
    }
    for name, image in parts.items():
        write(tmp_path / "017" / name, image)
    return tmp_path / "017", parts


def test_union_of_channels_is_exact(channels):
    folder, parts = channels
    expected = np.zeros((8, 10), bool)
    for image in parts.values():
        expected |= image > 0
    mask = read_mask(folder)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, expected)
    assert mask.sum() == 9 + 9 - 1 + 20


def test_channels_apart(channels):
    folder, parts = channels
    stack, values = read_mask_channels(str(folder))
    assert stack.shape == (3, 8, 10) and stack.dtype == bool
    np.testing.assert_array_equal(values, [1, 1, 255])
    for got, image in zip(stack, parts.values(), strict=True):
        np.testing.assert_array_equal(got, image > 0)


def test_channels_come_in_natural_order(tmp_path):
    for number in (10, 9, 2):
        write(tmp_path / f"{number}.png", channel(0, 0, number))
    assert read_mask_channels(tmp_path)[1].tolist() == [2, 9, 10]


def test_passes_over_files_that_are_no_images(channels):
    folder, _ = channels
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / ".003.png").write_bytes(b"x")
    assert len(read_mask_channels(folder)[0]) == 3


@pytest.mark.parametrize("value", [1, 127, 255])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".PNG"])
def test_any_positive_value_is_anomalous(tmp_path, value, suffix):
    path = write(tmp_path / f"mask{suffix}", channel(slice(1, 3), 4, value))
    np.testing.assert_array_equal(read_mask(path), channel(slice(1, 3), 4, 1) > 0)
    assert read_mask_channels(path)[1].tolist() == [value]


def test_colour_and_16_bit_masks(tmp_path):
    colour = np.zeros((8, 10, 3), np.uint8)
    colour[2, 3, 0] = colour[4, 5, 2] = 9
    expected = colour.any(axis=2)
    path = write(tmp_path / "colour.png", colour)
    np.testing.assert_array_equal(read_mask(path), expected)
    alpha = np.dstack([colour, np.full((8, 10), 255, np.uint8)])
    path = write(tmp_path / "alpha.png", alpha)
    np.testing.assert_array_equal(read_mask(path), expected)
    path = write(tmp_path / "deep.png", expected.astype(np.uint16))
    np.testing.assert_array_equal(read_mask(path), expected)


def test_accepts_names_with_spaces_and_other_letters(tmp_path):
    path = write(tmp_path / "größe 1" / "маска 缺陷.png", channel(0, 0, 1))
    assert read_mask(os.fspath(path)).sum() == 1
    assert read_mask(path.parent).sum() == 1
    for text in np.array([os.fspath(path), os.fspath(path.parent)]):  # numpy.str_
        assert read_mask(text).sum() == 1


def test_empty_path_is_a_good_image():
    mask = read_mask("", shape=(3, 5))
    assert mask.shape == (3, 5) and mask.dtype == bool and not mask.any()
    with pytest.raises(ValueError, match="needs the image's shape"):
        read_mask("")


def test_size_check(channels):
    folder, _ = channels
    assert read_mask(folder, shape=(8, 10)).shape == (8, 10)
    with pytest.raises(ValueError, match=r"is 8 x 10, its image 10 x 8"):
        read_mask(folder, shape=(10, 8))


def test_missing_and_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing here"):
        read_mask(tmp_path / "nothing here.png")
    for name, content in {"empty.png": b"", "text.png": b"no image"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"Cannot read .*{name}"):
            read_mask(tmp_path / name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="No image found"):
        read_mask(tmp_path / "folder")


def test_symlink_loop_is_a_missing_mask(tmp_path):
    loop = tmp_path / "loop.png"
    try:
        loop.symlink_to(loop)
    except OSError:
        pytest.skip("the file system has no symlinks")
    with pytest.raises(FileNotFoundError):
        read_mask(loop)


def test_channels_of_different_sizes(channels):
    folder, _ = channels
    write(folder / "003.png", channel(0, 0, 1, shape=(9, 10)))
    with pytest.raises(ValueError, match=r"000\.png is 8 x 10, 003\.png is 9 x 10"):
        read_mask(folder)


def test_channel_with_two_values(channels):
    folder, _ = channels
    image = channel(0, 0, 7)
    image[5, 5] = 8
    write(folder / "003.png", image)
    with pytest.raises(ValueError, match=r"003\.png.*one positive value.*\[7, 8\]"):
        read_mask_channels(folder)
    assert read_mask(folder)[5, 5], "the union does not need the values"
