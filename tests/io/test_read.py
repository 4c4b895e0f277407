import io
import os
import struct
import threading
import warnings

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from skuad.io import (
    IMAGE_SUFFIXES,
    _read,
    find_images,
    read_image,
    select_readable,
    write_image,
)
from skuad.io._formats import read_header

ORIENTATIONS = range(1, 9)


def picture(channels=3, dtype=np.uint8, shape=(37, 61)):
    """Smooth enough for JPEG, and changed by every flip and rotation."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    planes = [x, y, x * y, (x + y) / 2][: max(channels, 1)]
    image = np.stack(planes, axis=2)
    if np.dtype(dtype).kind == "u":
        image = np.round(image * np.iinfo(dtype).max)
    image = image.astype(dtype)
    return image[..., 0] if channels == 1 else image


def save(image, path, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        path, **options
    )
    return str(path)


def exif(orientation):
    block = Image.Exif()
    block[274] = orientation
    return block


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff", "webp", "PNG", "TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_give_the_pixels_in_rgb_order(tmp_path, suffix, channels):
    image = picture(channels)
    options = {"lossless": True} if suffix == "webp" else {}
    read = read_image(save(image, tmp_path / f"a.{suffix}", **options))
    if suffix == "webp" and channels == 1:  # WebP knows no gray
        read = read[..., 0]
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "JPG"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg(tmp_path, suffix, options, channels):
    image = picture(channels)
    read = read_image(save(image, tmp_path / f"a.{suffix}", quality=98, **options))
    assert read.shape == image.shape
    assert np.abs(read.astype(int) - image).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_and_alpha_are_kept(tmp_path, suffix, channels, dtype):
    image = picture(channels, dtype)
    code = {1: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[channels]
    path = str(tmp_path / f"a.{suffix}")
    cv2.imwrite(path, image if code is None else cv2.cvtColor(image, code))
    read = read_image(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_tiff(tmp_path, channels, dtype):
    image = picture(channels, dtype)
    path = tmp_path / "a.tif"
    kind = "minisblack" if channels == 1 else "rgb"
    tifffile.imwrite(path, image, photometric=kind)
    read = read_image(path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, image.astype(np.float32))


def test_webp_with_alpha(tmp_path):
    image = picture(4)
    image[..., 3] |= 1  # WebP drops the colour of fully transparent pixels
    read = read_image(save(image, tmp_path / "a.webp", lossless=True))
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_palette_becomes_rgb(tmp_path, suffix, channels):
    pillow = Image.fromarray(picture(channels)).quantize(16)
    read = read_image(save(pillow, tmp_path / f"a.{suffix}"))
    expected = np.asarray(pillow.convert("RGB"))
    if read.ndim == 2:  # gray BMP has no other form than a palette of grays
        assert suffix == "bmp"
        expected = expected[..., 0]
    np.testing.assert_array_equal(read, expected)


def test_other_png_kinds(tmp_path):
    image = Image.fromarray(picture(3))
    gray_alpha = image.convert("LA")
    gray_alpha.putalpha(Image.fromarray(picture(1)))
    read = read_image(save(gray_alpha, tmp_path / "la.png"))
    np.testing.assert_array_equal(read, np.asarray(gray_alpha.convert("RGBA")))

    palette = image.quantize(16)
    path = save(palette, tmp_path / "trns.png", transparency=3)
    np.testing.assert_array_equal(
        read_image(path), np.asarray(Image.open(path).convert("RGBA"))
    )

    bits = image.convert("1")
    read = read_image(save(bits, tmp_path / "1.png"))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, np.asarray(bits.convert("L")))


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb(tmp_path, suffix):
    read = read_image(
        save(Image.fromarray(picture(3)).convert("CMYK"), tmp_path / f"a.{suffix}")
    )
    assert read.shape == (37, 61, 3)
    assert np.abs(read.astype(int) - picture(3)).mean() < 3


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    "suffix, channels",
    [
        *[("jpg", 1), ("jpg", 3), ("png", 1), ("png", 3), ("png", 4)],
        *[("webp", 3), ("webp", 4), ("tif", 1), ("tif", 3), ("tif", 4)],
    ],
)
def test_exif_orientation(tmp_path, suffix, channels, orientation):
    image = picture(channels)
    if channels == 4:
        image[..., 3] |= 1
    options = {"lossless": True} if suffix == "webp" else {}
    if suffix == "jpg":
        options = {"quality": 98}
    if suffix == "tif":
        options["tiffinfo"] = {274: orientation}
    else:
        options["exif"] = exif(orientation)
    read = read_image(save(image, tmp_path / f"a.{suffix}", **options))
    turned = Image.fromarray(image)
    turned.getexif()[274] = orientation
    expected = np.asarray(ImageOps.exif_transpose(turned))
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= (6 if suffix == "jpg" else 0)


def test_damaged_exif_is_passed_over(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(picture(3)).save(buffer, "JPEG", exif=exif(6))
    data = buffer.getvalue().replace(b"Exif\0\0MM", b"Exif\0\0ZZ")
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_image(tmp_path / "a.jpg").shape == (37, 61, 3)


def test_paths_with_spaces_and_other_letters(tmp_path):
    folder = tmp_path / "Prüfung 检测"
    folder.mkdir()
    path = folder / "Teil №1 ä ö.png"
    save(picture(3), path)
    for spelling in (path, str(path), os.fsencode(path)):
        np.testing.assert_array_equal(read_image(spelling), picture(3))
    assert find_images(folder) == [str(path)]


def test_the_content_counts_not_the_suffix(tmp_path):
    path = tmp_path / "a.jpg"
    save(picture(3), path, format="PNG")
    np.testing.assert_array_equal(read_image(path), picture(3))


def test_jpeg_with_data_after_its_end_and_between_its_segments(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(picture(3)).save(buffer, "JPEG")
    data = buffer.getvalue()
    (tmp_path / "tail.jpg").write_bytes(data + b"\xff\xda trailer of a phone \xff\xd8")
    (tmp_path / "fill.jpg").write_bytes(data[:2] + b"\xff\xff\xff" + data[2:])
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    for name in ("tail.jpg", "fill.jpg"):
        np.testing.assert_array_equal(read_image(tmp_path / name), expected)


def encodings():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    deep = noise.astype(np.uint16) * 257
    yield "jpeg", "jpg", noise, {}
    yield "jpeg with restarts", "jpg", noise, {"restart_marker_blocks": 2}
    yield "jpeg progressive", "jpg", noise, {"progressive": True}
    yield "jpeg gray", "jpg", noise[..., 0], {}
    yield "png", "png", noise, {}
    yield "png gray 16", "png", deep[..., 0], {}
    yield "bmp", "bmp", noise, {}
    yield "bmp gray", "bmp", noise[..., 0], {}
    yield "webp", "webp", noise, {}
    yield "webp lossless", "webp", noise, {"lossless": True}
    yield "tiff", "tif", noise, {}
    yield "tiff deflate", "tif", noise, {"compression": "tiff_adobe_deflate"}
    yield "tiff jpeg", "tif", noise, {"compression": "jpeg"}


@pytest.mark.parametrize(
    "encoding", list(encodings()), ids=lambda encoding: encoding[0]
)
def test_truncated_files_are_errors_at_any_length(tmp_path, encoding, capfd):
    _, suffix, image, options = encoding
    path = tmp_path / f"whole.{suffix}"
    save(image, path, **options)
    data = path.read_bytes()
    assert read_image(path).shape[:2] == (64, 80)
    rng = np.random.default_rng(0)
    lengths = [0, 1, 2, 3, 7, 8, 12, 20, 26, 33, 54]
    lengths += [len(data) - k for k in (1, 2, 3, 5, 11, 12, 13, 100)]
    lengths += rng.integers(1, len(data), 40).tolist()
    for length in lengths:
        # Seen before decoding: what the decoder notices depends on its version.
        with pytest.raises(ValueError, match=r"is (truncated|empty|no PNG)"):
            read_header(data[:length])
        part = tmp_path / f"part {length}.{suffix}"
        part.write_bytes(data[:length])
        with pytest.raises(ValueError, match=rf"part {length}\.{suffix}"):
            read_image(part)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_truncated_tiff_of_every_layout(tmp_path, order, tile, bigtiff):
    image = picture(3, np.uint16, shape=(48, 64))
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, image, byteorder=order, tile=tile, bigtiff=bigtiff, photometric="rgb"
    )
    np.testing.assert_array_equal(read_image(path), image)
    data = path.read_bytes()
    for length in (len(data) - 1, len(data) // 2, 40):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="is truncated"):
            read_image(path)


def test_a_jpeg_is_not_complete_by_its_thumbnail(tmp_path):
    # The thumbnail in the EXIF block has an end marker of its own.
    buffer = io.BytesIO()
    Image.fromarray(picture(3)).save(buffer, "JPEG")
    whole = buffer.getvalue()
    payload = b"Exif\0\0" + whole
    segment = b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload
    data = whole[:2] + segment + whole[2:]
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert read_image(path).shape == (37, 61, 3)
    path.write_bytes(data[:-2])
    with pytest.raises(ValueError, match="ends with an EOI marker"):
        read_image(path)


def test_damaged_png_names_the_file(tmp_path):
    path = tmp_path / "a.png"
    save(picture(3), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.png.*damaged"):
        read_image(path)


@pytest.mark.parametrize(
    "content, match",
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"<html>not found</html>", "is no PNG, JPEG, BMP, TIFF or WebP image"),
        (b"version https://git-lfs", "begins with b'version https"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "is no PNG"),
        (b"\xff\xd8\xff\xd9", "without a picture"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "without strips or tiles"),
    ],
)
def test_what_is_no_image_is_an_error_that_says_so(tmp_path, content, match):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=match) as error:
        read_image(path)
    assert str(path) in str(error.value) and "Replace or remove" in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(IsADirectoryError, match="find_images"):
        read_image(tmp_path)


def test_other_dtypes_are_refused(tmp_path):
    path = save(Image.fromarray(picture(1).astype(np.int32)), tmp_path / "a.tif")
    with pytest.raises(ValueError, match="pixels of dtype int32"):
        read_image(path)


def test_the_log_level_survives_threads_and_errors(tmp_path):
    good, bad = save(picture(3), tmp_path / "a.png"), str(tmp_path / "b.tif")
    save(picture(1).astype(np.int32), bad)
    log = getattr(cv2.utils, "logging", cv2)
    before = log.getLogLevel()

    def read():
        for _ in range(30):
            read_image(good)
            with pytest.raises(ValueError):
                read_image(bad)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.getLogLevel() == before


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_find_images_sorts_naturally_and_passes_over_the_rest(tmp_path):
    names = ["img10.png", "img2.PNG", "img1.jpeg", "IMG3.bmp", "img02.tif", "b.webp"]
    touch(tmp_path, *names, ".hidden.png", "._img1.png", "Thumbs.db", "notes.txt")
    touch(tmp_path, "sub/a.png", ".git/a.png")
    found = [os.path.relpath(path, tmp_path) for path in find_images(tmp_path)]
    expected = ["b.webp", "img1.jpeg", "img2.PNG", "img02.tif", "IMG3.bmp", "img10.png"]
    assert found == sorted(expected, key=expected.index)
    for kind in (str, np.str_, os.fsencode):
        same = find_images(kind(tmp_path))
        assert same == find_images(tmp_path) and {type(path) for path in same} == {str}
    found = find_images(tmp_path, recursive=True)
    assert os.path.join(tmp_path, "sub", "a.png") in found and len(found) == 7


def test_find_images_sorts_folders_naturally(tmp_path):
    touch(tmp_path, "lot10/1.png", "lot9/2.png", "lot9/10.png", "1.png", "lot9.png")
    found = find_images(tmp_path, recursive=True)
    found = [os.path.relpath(path, tmp_path).replace(os.sep, "/") for path in found]
    assert found == ["1.png", "lot9/2.png", "lot9/10.png", "lot9.png", "lot10/1.png"]


def test_find_images_follows_links_once(tmp_path):
    touch(tmp_path, "a/1.png", "b/2.png")
    try:
        os.symlink(tmp_path / "a", tmp_path / "b" / "link")
        os.symlink(tmp_path, tmp_path / "a" / "loop")
        os.symlink(tmp_path / "a" / "self", tmp_path / "a" / "self")
    except OSError:
        pytest.skip("no links here")
    found = [os.path.basename(path) for path in find_images(tmp_path, recursive=True)]
    assert sorted(found) == ["1.png", "2.png"]
    found = find_images(tmp_path / "b", recursive=True)
    assert {os.path.basename(path) for path in found} == {"1.png", "2.png"}


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"looked for \.png.*; it is empty"):
        find_images(tmp_path)
    touch(tmp_path, "a.txt", "sub/a.png")
    with pytest.raises(ValueError, match=r"1 other file.*a\.txt.*recursive=True"):
        find_images(tmp_path)
    assert len(find_images(tmp_path, recursive=True)) == 1
    with pytest.raises(FileNotFoundError):
        find_images(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        find_images(tmp_path / "a.txt")


def test_every_listed_suffix_can_be_read(tmp_path):
    for suffix in IMAGE_SUFFIXES:
        save(picture(3), tmp_path / f"a{suffix}")
    for path in find_images(tmp_path):
        assert read_image(path).shape == (37, 61, 3)


def test_select_readable(tmp_path):
    good = [save(picture(3), tmp_path / f"{i}.png") for i in range(3)]
    touch(tmp_path, "empty.png")
    bad = [str(tmp_path / "empty.png"), str(tmp_path / "missing.png")]
    paths = [good[2], bad[0], good[0], bad[1], tmp_path / "1.png"]
    with pytest.warns(UserWarning, match=r"2 of 5 image files") as record:
        readable, skipped = select_readable(paths, on_error="skip")
    assert readable == [good[2], good[0], good[1]] and skipped == bad
    assert len(record) == 1 and all(path in str(record[0].message) for path in bad)
    assert record[0].filename == __file__
    with pytest.raises(ValueError, match=r"empty\.png"):
        select_readable(paths)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert select_readable(good, on_error="skip") == (good, [])
    with pytest.raises(ValueError, match="on_error"):
        select_readable(good, on_error="ignore")
    with pytest.raises(ValueError, match="list of paths"):
        select_readable(good[0])


def test_one_image_is_not_changed_by_reading_another(tmp_path, monkeypatch):
    monkeypatch.setattr(_read, "_LARGEST_BUFFER", 20_000)
    monkeypatch.setattr(_read, "_buffers", threading.local())
    images = [picture(3, shape=shape) for shape in ((9, 11), (90, 110), (30, 40))]
    images += [255 - image for image in images]
    for i, image in enumerate(images):
        write_image(tmp_path / f"{i}.bmp", image)
    paths = find_images(tmp_path)

    def check():
        read = [read_image(path) for path in paths]
        for one, expected in zip(read, images, strict=True):
            np.testing.assert_array_equal(one, expected)
        assert len(_read._buffers.data) <= 20_000, "the largest is not kept"

    faults = []

    def run():
        try:
            check()
        except AssertionError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check()
    assert not faults


@pytest.mark.parametrize("n_channels", [3, 4])
def test_red_and_blue_are_swapped_in_every_block(n_channels, monkeypatch):
    monkeypatch.setattr(_read, "_BLOCK", 100)
    image = picture(n_channels)
    swapped = np.ascontiguousarray(image[..., [2, 1, 0, 3][:n_channels]])
    _read._swap_red_and_blue(swapped)
    np.testing.assert_array_equal(swapped, image)


@pytest.mark.skipif(os.name == "nt", reason="of POSIX systems")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match=r"pipe\.png.*is no ordinary file"):
        read_image(tmp_path / "pipe.png")


def test_messages_show_paths_of_an_array_as_they_are(tmp_path):
    path = tmp_path / "empty.png"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^Cannot read '"):
        read_image(np.array([str(path)])[0])
