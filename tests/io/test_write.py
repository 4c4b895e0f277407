import os
import stat
import sys

import joblib
import numpy as np
import pytest

from skuad.io._read import read_image
from skuad.io._write import atomic_path, dump_atomically, write_image


def random_image(channels, dtype=np.uint8):
    rng = np.random.default_rng(0)
    shape = (13, 17) if channels == 0 else (13, 17, channels)
    if dtype == np.float32:
        return rng.random(shape, dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize(
    "suffix, channels, dtype",
    [(s, c, np.uint8) for s in (".png", ".tif", ".bmp") for c in (0, 1, 3)]
    + [(s, c, np.uint16) for s in (".png", ".tiff") for c in (0, 3, 4)]
    + [(".tif", c, np.float32) for c in (0, 3, 4)]
    + [(".PNG", 4, np.uint8), (".webp", 3, np.uint8)],
)
def test_round_trip(tmp_path, suffix, channels, dtype):
    image = random_image(channels, dtype)
    before = image.copy()
    path = tmp_path / f"a ö{suffix}"
    write_image(path, image)
    read = read_image(path)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image[..., 0] if channels == 1 else image)
    np.testing.assert_array_equal(image, before)
    assert os.listdir(tmp_path) == [path.name]


def test_jpeg_and_views(tmp_path):
    image = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    write_image(tmp_path / "a.jpg", image)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - image).max() <= 4
    view = random_image(4)[::-2, ::-1, :3]
    write_image(tmp_path / "a.png", view)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), view)


@pytest.mark.parametrize(
    "name, image, match",
    [
        ("a.gif", random_image(3), r"suffix must be one of \.png"),
        ("a", random_image(3), "suffix"),
        ("a.jpg", random_image(3, np.uint16), "holds uint8, and the image is uint16"),
        ("a.png", random_image(0, np.float32), "uint8 or uint16"),
        ("a.tif", np.zeros((4, 4), bool), "is bool"),
        ("a.jpg", random_image(4), "no alpha"),
        ("a.png", np.zeros((4, 4, 2), np.uint8), "must have shape"),
        ("a.png", np.zeros((0, 4), np.uint8), "must have shape"),
        ("a.png", np.zeros(4, np.uint8), "must have shape"),
    ],
)
def test_what_a_file_cannot_hold_is_refused(tmp_path, name, image, match):
    with pytest.raises(ValueError, match=match) as error:
        write_image(tmp_path / name, image)
    assert str(tmp_path / name) in str(error.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as temporary:
        with open(temporary, "w") as file:
            file.write("half")
        assert os.path.dirname(temporary) == str(tmp_path)
        raise error
    assert os.listdir(tmp_path) == ["a.txt"] and path.read_text() == "old"
    with pytest.raises(error), atomic_path(tmp_path / "b.txt"):
        raise error  # before anything was written
    assert os.listdir(tmp_path) == ["a.txt"]


def test_atomic_path_replaces_and_keeps_the_suffix(tmp_path):
    path = tmp_path / "a.tar.gz"
    for content in ("one", "two"):
        with atomic_path(path) as temporary:
            assert temporary.endswith(".gz") and not os.path.exists(temporary)
            with open(temporary, "w") as file:
                file.write(content)
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == content
    if sys.platform != "win32":  # as any new file, not readable by its owner only
        (tmp_path / "plain").write_text("")
        modes = [stat.S_IMODE(os.stat(p).st_mode) for p in (path, tmp_path / "plain")]
        assert modes[0] == modes[1]


def test_atomic_path_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        atomic_path(tmp_path / "missing" / "a.txt").__enter__()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        atomic_path(tmp_path).__enter__()
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        pass  # nothing written


POSIX = pytest.mark.skipif(os.name == "nt", reason="of POSIX systems")


@POSIX
def test_a_device_is_not_replaced(tmp_path):
    # As root, which may write to /dev, renaming would put a file in its place.
    with pytest.raises(OSError, match="is no ordinary file"):
        dump_atomically([], os.devnull)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match=r"pipe\.png.*is no ordinary file"):
        write_image(tmp_path / "pipe.png", np.zeros((2, 2), np.uint8))
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe.png").st_mode)


def save_array(path, image):
    with atomic_path(path) as temporary:
        np.save(temporary, image)


@POSIX
@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_image, "a.bmp"),
        (save_array, "a.npy"),
        (lambda path, image: dump_atomically(image, path), "a.joblib"),
    ],
)
def test_a_full_disk_is_named_with_the_file(tmp_path, write, name):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    image = random_image(3).repeat(20, axis=0)
    try:  # no file may grow further, as on a disk without room
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OSError) as caught:
            write(tmp_path / name, image)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.strerror in ("File too large", "No space left on device")
    assert caught.value.filename == str(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_atomic_path_writes_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    target.write_text("old")
    try:
        os.symlink(target, link)
    except OSError:
        pytest.skip("no links here")
    with atomic_path(link) as temporary, open(temporary, "w") as file:
        file.write("new")
    assert link.is_symlink() and target.read_text() == "new"


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("no")


def test_dump_atomically(tmp_path):
    path = tmp_path / "a.joblib"
    dump_atomically({"a": np.arange(3)}, path)
    with pytest.raises(RuntimeError):
        dump_atomically([np.zeros(1000), Unpicklable()], path)
    np.testing.assert_array_equal(joblib.load(path)["a"], np.arange(3))
    assert os.listdir(tmp_path) == ["a.joblib"]
