"""Files that go into a command and come out of it."""

import errno
import glob
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skuad.cli._console import Console, Failure, one_line, plain
from skuad.datasets._names import nearest_path
from skuad.io import IMAGE_SUFFIXES, atomic_path, find_images, read_image
from skuad.utils._text import plural
from skuad.utils._typing import Array

if TYPE_CHECKING:
    from typing_extensions import Self


def list_images(arguments: Iterable[str], *, recursive: bool = False) -> list[str]:
    """List the image files that folders, files and globs on the command line name.

    Parameters
    ----------
    arguments : list of str
        Folders, whose images are taken in natural order; files, whatever their suffix;
        and patterns with ``*``, ``?`` or ``[``, which take files with an image suffix.
    recursive : bool, default=False
        Whether to look into sub-folders too.

    Returns
    -------
    list of str
        Each file once, in the order of the arguments.

    Raises
    ------
    Failure
        If an argument names nothing.
    ValueError
        If a folder holds no image.
    """
    paths: dict[str, str] = {}
    for argument in arguments:
        if os.path.isdir(argument):
            found = find_images(argument, recursive=recursive)
        elif os.path.lexists(argument):
            found = [argument]
        else:
            found = _from_pattern(argument)
        for path in found:
            paths.setdefault(os.path.abspath(path), path)
    return list(paths.values())


def _from_pattern(argument: str) -> list[str]:
    found: list[str] = []
    if glob.has_magic(argument):
        found = sorted(glob.glob(argument, recursive=True))
        found = [path for path in found if path.lower().endswith(IMAGE_SUFFIXES)]
        if not found:
            raise Failure(f"no image matches the pattern {argument!r}")
    if not found:
        raise Failure(
            f"there is no file or folder {argument!r}.{nearest_path(argument)}"
        )
    return found


def readable_images(
    paths: Sequence[str], *, on_error: Literal["raise", "skip"], console: Console
) -> list[str]:
    """Decode every file once, and leave out those that cannot be, if asked to.

    Then those of another number of channels than the first are left out as well.

    Raises
    ------
    Failure
        If a file cannot be read and ``on_error="raise"``, or none can be.
    """
    readable: list[str] = []
    n_channels, n_skipped = None, 0
    with console.progress(paths, what="checking") as progress:
        for path in progress:
            try:
                found = read_image(path).shape[2:] or (1,)
                if on_error == "skip" and n_channels not in (None, found[0]):
                    raise ValueError(
                        f"{path!r} has {plural(found[0], 'channel')}, and "
                        f"{readable[0]!r} {n_channels}"
                    )
            except (OSError, ValueError) as error:
                fault = one_line(error)
                if on_error == "raise":
                    raise Failure(
                        f"{fault}. Replace or remove it, or leave such files out with "
                        "--on-error skip"
                    ) from error
                console.warn(f"left out: {fault}")
                n_skipped += 1
            else:
                readable.append(path)
                n_channels = n_channels or found[0]
    if n_skipped:
        console.warn(
            f"{n_skipped} of {plural(len(paths), 'file')} "
            f"{'is' if n_skipped == 1 else 'are'} left out"
        )
    if not readable:
        raise Failure(f"none of the {len(paths)} files can be read")
    return readable


def make_folder(path: str) -> str:
    """Make a folder for results, and make sure now that files can be written to it.

    Raises
    ------
    Failure
        If that is not so.
    """
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path, buffering=0) as file:
            file.write(b"\0")  # a full disk has room for a name
            os.fsync(file.fileno())
    except (FileExistsError, NotADirectoryError):
        what = "is a file" if os.path.exists(path) else "would lie in a file"
        raise Failure(f"{path!r} {what}: choose a folder with --out") from None
    except OSError as error:
        raise Failure(
            f"cannot write to the folder {path!r} ({error.strerror}): choose another "
            "with --out"
        ) from error
    return path


def check_out_file(path: str, *, example: str = "m.joblib") -> None:
    """Make sure, before the work, that a file can be written.

    Raises
    ------
    Failure
        If it is a folder or a device, or its folder cannot be written to.
    """
    if os.path.isdir(path):
        raise Failure(
            f"{path!r} is a folder: give a file with --out, such as "
            f"{os.path.join(path, example)!r}"
        )
    if os.path.exists(path) and not os.path.isfile(path):
        raise Failure(f"{path!r} is a device: give a file with --out")
    make_folder(os.path.dirname(path) or ".")


def output_names(paths: Sequence[str]) -> list[str]:
    """Name the outputs of images: their paths below what they share, without suffix.

    Images of one folder keep their names; those of several keep as much of the folders
    as tells them apart. Where two differ in nothing but the suffix, they keep it, and
    so does one that would get the name of another with its suffix.
    """
    places = [os.path.abspath(path) for path in paths]
    try:
        shared = os.path.commonpath([os.path.dirname(place) for place in places])
    except ValueError:  # on several drives
        return [f"{i:06d}_{os.path.basename(path)}" for i, path in enumerate(paths)]
    whole = [os.path.relpath(place, shared) for place in places]
    stems = [os.path.splitext(name)[0] for name in whole]
    taken = Counter(name.casefold() for name in [*stems, *whole])
    return [
        name if taken[stem.casefold()] > 1 else stem
        for stem, name in zip(stems, whole, strict=True)
    ]


class JsonLines:
    """A file of JSON lines; each is written in one piece, as soon as it is known.

    Parameters
    ----------
    path : str
        Where; what was there is replaced.
    begin_with : list of dict, default=()
        Records that it begins with, written in one step.
    """

    def __init__(
        self, path: str, *, begin_with: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        self.path = path
        write_json_lines(path, begin_with)
        self._file = open(path, "ab", buffering=0)

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, record: Mapping[str, Any]) -> None:
        """Write one record; if the disk is full, none of it stays."""
        line, end = _json_line(record), self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        except OSError as error:
            self._file.truncate(end)
            if error.errno is None or error.filename is not None:
                raise
            raise OSError(error.errno, os.strerror(error.errno), self.path) from error


def write_json_lines(path: str, records: Iterable[Mapping[str, Any]]) -> None:
    """Write a file of JSON lines, in one step."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.writelines(map(_json_line, records))


def _json_line(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(plain(record)) + "\n").encode()


def write_json(path: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file with sorted keys, in one step."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(plain(content), file, indent=2, sort_keys=True, allow_nan=False)
        file.write("\n")


def write_array(path: str, array: Array) -> None:
    """Write an .npy file, in one step."""
    with atomic_path(path) as temporary:
        np.save(temporary, array)


def size_of(path: str) -> str:
    """Size of a file, for people."""
    size = os.path.getsize(path)
    exponent = next((e for e in (9, 6, 3) if size >= 10**e), 0)
    unit = {0: "bytes", 3: "kB", 6: "MB", 9: "GB"}[exponent]
    return f"{size / 10**exponent:.{1 if exponent else 0}f} {unit}"
