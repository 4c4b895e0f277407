"""Data sets by name."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from skuad.datasets._btad import BTAD, load_btad
from skuad.datasets._bunch import Loaded
from skuad.datasets._elpv import KINDS, load_elpv
from skuad.datasets._folder import load_image_folder
from skuad.datasets._layout import Layout, list_categories_in
from skuad.datasets._mvtec import MVTEC_AD, load_mvtec_ad
from skuad.datasets._mvtec_ad2 import MVTEC_AD2, load_mvtec_ad2
from skuad.datasets._mvtec_loco import MVTEC_LOCO, load_mvtec_loco
from skuad.datasets._names import check_name
from skuad.datasets._visa import VISA, load_visa
from skuad.utils._typing import StrPath


class _Entry(NamedTuple):
    loader: Callable[..., Loaded]
    layout: Layout | None = None
    categories: tuple[str, ...] = ()
    needs_root: bool = True


_DATASETS = {
    "mvtec_ad": _Entry(load_mvtec_ad, MVTEC_AD),
    "mvtec_loco": _Entry(load_mvtec_loco, MVTEC_LOCO),
    "mvtec_ad2": _Entry(load_mvtec_ad2, MVTEC_AD2),
    "visa": _Entry(load_visa, VISA),
    "btad": _Entry(load_btad, BTAD),
    "elpv": _Entry(load_elpv, categories=KINDS, needs_root=False),
    "image_folder": _Entry(load_image_folder),
}
# Other names for them; the command line's.
_ALIASES = {"folder": "image_folder"}


def dataset_name(name: str) -> str:
    """Return the name of a data set as `list_datasets` has it, or raise."""
    if isinstance(name, str):
        name = _ALIASES.get(name, name)
    return check_name(name, _DATASETS, "data set")


def load_dataset(
    name: str,
    root: StrPath | None = None,
    category: str | Sequence[str] | None = None,
    **options: Any,
) -> Loaded:
    """List the images of a data set, by the data set's name.

    Parameters
    ----------
    name : str
        Name of the data set, see `list_datasets`; "folder" is "image_folder", too.
    root : str or PathLike, default=None
        The folder of the data set. None only for "elpv", whose package has it.
    category : str or sequence of str, default=None
        A category, several, or "all". None only for "elpv" and "image_folder", which
        need not have categories.
    **options
        Options of the data set's own function, such as `split` or `return_X_y`.

    Returns
    -------
    :class:`~sklearn.utils.Bunch` or (images, y)
        What the data set's own function returns.

    Raises
    ------
    ValueError
        If there is no such data set or category, or the folder is not as expected.

    See Also
    --------
    load_mvtec_ad : The options and results that all data sets have in common.

    Examples
    --------
    >>> import tempfile
    >>> from skuad.datasets import load_dataset, make_fake_tree
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_fake_tree("mvtec_ad", root, "bottle")
    ...     data = load_dataset("mvtec_ad", root, "bottle", split="train")
    >>> data.target
    array([1, 1, 1])
    """
    entry = _DATASETS[dataset_name(name)]
    if root is None and entry.needs_root:
        raise ValueError(
            f"{name!r} needs a root: the folder where it lies on your disk"
        )
    if category is None and entry.layout is not None:
        raise ValueError(
            f"{entry.layout.title} has categories: give one of "
            f"{', '.join(map(repr, entry.layout.categories))}, or 'all'"
        )
    if category is None:
        return entry.loader(root, **options)
    return entry.loader(root, category, **options)


def list_datasets() -> list[str]:
    """List the names of the data sets that `load_dataset` knows.

    Returns
    -------
    list of str
        The names.

    Examples
    --------
    >>> from skuad.datasets import list_datasets
    >>> "mvtec_ad" in list_datasets()
    True
    """
    return list(_DATASETS)


def list_categories(name: str, root: StrPath | None = None) -> list[str]:
    """List the categories of a data set.

    Parameters
    ----------
    name : str
        Name of the data set.
    root : str or PathLike, default=None
        The folder of the data set: list what is there, the user's own categories
        included. None lists the publisher's categories.

    Returns
    -------
    list of str
        The categories; empty for a data set that has none.

    Raises
    ------
    ValueError
        If there is no such data set, or the folder holds none of it.

    Examples
    --------
    >>> from skuad.datasets import list_categories
    >>> list_categories("mvtec_ad")[:3]
    ['bottle', 'cable', 'capsule']
    """
    entry = _DATASETS[dataset_name(name)]
    if entry.layout is None:
        return list(entry.categories)
    if root is None:
        return list(entry.layout.categories)
    return list_categories_in(entry.layout, root)
