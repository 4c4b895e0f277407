"""The user's folder of weights: files with a note of what they are."""

import json
import shutil
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

from skuad.io import atomic_path
from skuad.weights._digest import read_sha256
from skuad.weights._find import SUFFIXES, weights_folders
from skuad.weights._holder import WeightsChangedError
from skuad.weights._packages import PACKAGES

_UNKNOWN = "not stated"


@dataclass(frozen=True)
class WeightsRecord:
    """A file of weights that can be found by name.

    Attributes
    ----------
    name : str
        What `find_weights` finds it by.
    path : str
        Where it is.
    sha256 : str or None
        SHA-256 that was recorded when it was added; None for a file that was put into
        the folder by other means.
    licence : str
        As stated when it was added.
    """

    name: str
    path: str
    sha256: str | None
    licence: str = _UNKNOWN

    def check(self) -> str:
        """Read the file and compare its SHA-256 with the recorded one.

        Returns
        -------
        sha256 : str
            Of the file.

        Raises
        ------
        WeightsChangedError
            If it is another one.
        """
        found = read_sha256(self.path)
        if self.sha256 not in (None, found):
            raise WeightsChangedError(
                f"{self.path} has the SHA-256 {found}, but {self.sha256} is recorded: the "
                "file was damaged or replaced. Fetch it again"
            )
        return found


def list_weights() -> list[WeightsRecord]:
    """List the weights that can be found by name, in the order in which they are found.

    Returns
    -------
    records : list of WeightsRecord
        Of the folders of `weights_folders`, and of the installed weights packages.

    Examples
    --------
    >>> from skuad.weights import list_weights
    >>> for record in list_weights():
    ...     sha256 = record.check()
    """
    records = []
    for folder in weights_folders():
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        records += [_read_record(path) for path in files if path.suffix in SUFFIXES]
    for name, package in PACKAGES.items():
        path = package.path()
        if path is not None and path.is_file():
            records.append(
                WeightsRecord(name, str(path), package.sha256, package.licence)
            )
    return records


def add_weights(
    path: str | PathLike[str],
    name: str | None = None,
    *,
    sha256: str | None = None,
    licence: str = _UNKNOWN,
    folder: str | PathLike[str] | None = None,
) -> WeightsRecord:
    """Copy a file of weights to where it is found by name, and record its SHA-256.

    Parameters
    ----------
    path : str or path-like
        The file, fetched by whatever means.
    name : str or None, default=None
        Name to find it by, such as that of the model; the file's own by default.
    sha256 : str or None, default=None
        The publisher's SHA-256, to compare with.
    licence : str, default="not stated"
        Under which the weights may be used; kept beside the file.
    folder : str, path-like or None, default=None
        Where to put it; by default the first of `weights_folders`.

    Returns
    -------
    record : WeightsRecord

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If its suffix is none of a file of weights, or the name holds a separator.
    WeightsChangedError
        If the SHA-256 is another one, or a different file of that name is there.
    """
    path = Path(path).expanduser()
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"{path} is no file of weights by its suffix: {', '.join(SUFFIXES)} are known"
        )
    name = path.stem if name is None else name
    if Path(name).name != name:
        raise ValueError(f"name={name!r} must be a plain name, without folders")
    found = read_sha256(path)
    if sha256 is not None and sha256.lower() != found:
        raise WeightsChangedError(
            f"{path} has the SHA-256 {found}, not {sha256}: it is another file, or was "
            "damaged. Nothing was copied"
        )
    folder = Path(folder).expanduser() if folder else weights_folders()[0]
    target = folder / f"{name}{path.suffix}"
    if target.exists() and read_sha256(target) != found:
        raise WeightsChangedError(
            f"{target} is there already, and is another file: remove it or choose another "
            "name"
        )
    folder.mkdir(parents=True, exist_ok=True)
    record = WeightsRecord(name, str(target), found, licence)
    if not target.exists():
        with atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
    with atomic_path(_note(target)) as temporary:
        Path(temporary).write_text(json.dumps(asdict(record), indent=1) + "\n")
    return record


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_record(path: Path) -> WeightsRecord:
    note = _note(path)
    if not note.is_file():
        return WeightsRecord(path.stem, str(path), None)
    try:
        content = json.loads(note.read_text())
        return WeightsRecord(
            content["name"], str(path), content["sha256"], content["licence"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{note} is no note of skuad on weights: remove it, and add the file again "
            "with skuad weights add"
        ) from error
