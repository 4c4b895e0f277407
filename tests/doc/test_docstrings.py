"""Docstrings of all public names, by numpydoc's checks that pyproject.toml names."""

import inspect
import sys
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import ERROR_MSGS, validate

from skuad.utils._testing import CHECKPOINT_ALIASES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "skuad").rglob("*.py")
        if path.name == "__init__.py" or not path.name.startswith("_")
    }
)


def checks():
    with open(ROOT / "pyproject.toml", "rb") as file:
        left_out = tomllib.load(file)["tool"]["numpydoc_validation"]["checks"]
    return set(ERROR_MSGS) - set(left_out)


def documented(module, name):
    """Yield a public name and, of a class, its own public methods and properties."""
    value = getattr(module, name)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return
    yield f"{module.__name__}.{name}", value
    if inspect.isclass(value):
        for key, member in vars(value).items():
            routine = inspect.isfunction(member) or isinstance(
                member, (property, classmethod, staticmethod)
            )
            if routine and not key.startswith("_"):
                yield f"{module.__name__}.{name}.{key}", getattr(value, key)


def excused(code, value):
    """Tell what numpydoc cannot know."""
    if code == "PR01" and inspect.isclass(value):
        listed = ", ".join(entry.name for entry in get_doc_object(value)["Attributes"])
        fields = set(listed.split(", "))
        return (
            # What a record is made of are its attributes.
            set(inspect.signature(value).parameters) <= fields
            # It has the parameters of the class that it names.
            or value.__name__ in CHECKPOINT_ALIASES
        )
    # An iterator is returned, and documented by what it yields.
    return code == "RT01" and bool(get_doc_object(value)["Yields"])


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_are_complete(module):
    module, wanted, faults = import_module(module), checks(), []
    for public in getattr(module, "__all__", []):
        for name, value in documented(module, public):
            for code, message in validate(name)["errors"]:
                if code in wanted and not excused(code, value):
                    faults.append(f"{name}: {code} {message}")
    assert not faults, "\n".join(faults)
