"""Names that users type: checked, with the nearest known one in the error."""

import difflib
import os
from collections.abc import Iterable


def check_name(name: object, known: Iterable[str], what: str) -> str:
    """Return `name`, or raise with the known names and the nearest of them.

    Parameters
    ----------
    name : str
        What the user typed.
    known : iterable of str
        What there is.
    what : str
        What the name stands for, such as ``"category of MVTec AD"``.

    Returns
    -------
    str
        The name, as it was.

    Raises
    ------
    ValueError
        If the name is not a known one.
    """
    known = list(known)
    if isinstance(name, str) and name in known:
        return name
    raise ValueError(
        f"unknown {what}: {name!r}.{did_you_mean(name, known)} "
        f"Known: {', '.join(map(repr, known)) or 'none'}"
    )


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a sentence with the nearest known name, or an empty string."""
    lower = {str(item).lower(): item for item in known}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5)
    return f" Did you mean {lower[near[0]]!r}?" if near else ""


def nearest_path(path: str) -> str:
    """Return a sentence with the path nearest to one that is not there, or nothing.

    If more than one name of it is wrong, the path ends where the first one is mended.
    """
    parent, name = os.path.split(path.rstrip(os.sep))
    below = ""
    while name and parent and not os.path.isdir(parent):
        below = os.path.join(name, below)
        parent, name = os.path.split(parent)
    there = os.listdir(parent or ".") if os.path.isdir(parent or ".") else []
    # Nearer than a name of ours has to be: others' files may be called anything.
    near = [
        os.path.join(parent, each)
        for each in difflib.get_close_matches(name, there, n=3, cutoff=0.6)
    ]
    whole = [os.path.join(each, below).rstrip(os.sep) for each in near]
    found = [*filter(os.path.exists, whole), *near]
    return f" Did you mean {found[0]!r}?" if found else ""
