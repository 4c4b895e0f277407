"""Heavy packages that are imported on first use."""

from importlib import import_module
from types import ModuleType


def import_optional(name: str, *, extra: str, needed_by: str) -> ModuleType:
    """Import a package of an optional extra, or say how to install it.

    Parameters
    ----------
    name : str
        Name of the module, such as ``"matplotlib.pyplot"``.
    extra : str
        The extra of skuad that installs it.
    needed_by : str
        What the caller was about to do, for the message.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If the package is not installed; the message names the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f'{needed_by} needs {package}: pip install "skuad[{extra}]"'
        ) from error
