"""Data sets by name."""

from skuad.datasets._folder import load_image_folder
from skuad.datasets._layout import list_categories_in
from skuad.datasets._mvtec import MVTEC_AD, load_mvtec_ad
from skuad.datasets._names import check_name

# name: (loader, layout with the publisher's categories or None)
_DATASETS = {
    "mvtec_ad": (load_mvtec_ad, MVTEC_AD),
    "image_folder": (load_image_folder, None),
}


def load_dataset(name, root, category=None, **options):
    """List the images of a data set, by the data set's name.

    Parameters
    ----------
    name : str
        Name of the data set, see `list_datasets`.
    root : str or PathLike
        The folder of the data set.
    category : str or sequence of str, default=None
        A category, several, or "all". None only where there are no categories.
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
    >>> from skuad.datasets import load_dataset
    >>> from skuad.utils._testing_trees import make_mvtec_ad
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = make_mvtec_ad(root, "bottle")
    ...     data = load_dataset("mvtec_ad", root, "bottle", split="train")
    >>> data.target
    array([1, 1, 1])
    """
    loader, layout = _DATASETS[check_name(name, _DATASETS, "data set")]
    if category is None and layout is not None:
        raise ValueError(
            f"{layout.title} has categories: give one of "
            f"{', '.join(map(repr, layout.categories))}, or 'all'"
        )
    if category is None:
        return loader(root, **options)
    return loader(root, category, **options)


def list_datasets():
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


def list_categories(name, root=None):
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
    _, layout = _DATASETS[check_name(name, _DATASETS, "data set")]
    if layout is None:
        return []
    if root is None:
        return list(layout.categories)
    return list_categories_in(layout, root)
