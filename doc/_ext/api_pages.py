"""Pages of the reference, written from the public names when the documentation is built.

A name that is added to an ``__all__`` is in the reference with the next build, under
its module, in the list of its kind.
"""

import inspect
import pkgutil
import re
import sys
from importlib import import_module
from pathlib import Path

from sphinx.ext import autosummary
from sphinx.pycode import ModuleAnalyzer

import skuad

_CITATION = re.compile(r"\s*\[[^\]\s]+\]_")
# Methods that scikit-learn gives to every estimator; its own guide explains them.
_ROUTING = re.compile(r"get_metadata_routing|set_\w+_request")

_MODULE_PAGE = """\
{underline}
{name}
{underline}

{summary}

.. currentmodule:: {name}
"""

_TABLE = """
{title}
{underline}

.. autosummary::
   :toctree: .
   :nosignatures:

{names}
"""

_INDEX = """\
=============
API reference
=============

Every public name, by the module that it is imported from. All are listed in
alphabetical order in the :ref:`genindex`; one picture shows
:doc:`how they belong together </library_map>`.

.. list-table::
   :widths: 30 70

{rows}

.. toctree::
   :hidden:

{pages}
"""


def public_modules() -> list[str]:
    """List the modules that have public names, without what is private."""
    names = [
        info.name
        for info in pkgutil.walk_packages(skuad.__path__, "skuad.")
        if not any(part.startswith("_") for part in info.name.split("."))
    ]
    return sorted(name for name in names if hasattr(import_module(name), "__all__"))


def kind_of(value) -> str:
    """Return the heading that a public name is listed under."""
    if inspect.isclass(value):
        return "Classes"
    return "Functions" if inspect.isroutine(value) else "Data"


def summary_of(module) -> str:
    """Return the first line of a module's docstring."""
    return inspect.getdoc(module).split("\n", 1)[0]


def module_page(name: str) -> str:
    """Write the page of a module."""
    module = import_module(name)
    page = _MODULE_PAGE.format(
        name=name, underline="=" * len(name), summary=summary_of(module)
    )
    kinds = {public: kind_of(getattr(module, public)) for public in module.__all__}
    for title in ("Classes", "Functions", "Data"):
        names = sorted(public for public, kind in kinds.items() if kind == title)
        if names:
            page += _TABLE.format(
                title=title,
                underline="-" * len(title),
                names="\n".join(f"   {public}" for public in names),
            )
    return page


def index_page(modules: list[str]) -> str:
    """Write the page that lists the modules."""
    rows = [
        f"   * - :doc:`{name} <generated/{name}>`\n"
        f"     - {summary_of(import_module(name))}"
        for name in modules
    ]
    pages = [f"   generated/{name}" for name in modules]
    return _INDEX.format(rows="\n".join(rows), pages="\n".join(pages))


def write_pages(source: Path) -> None:
    """Write all pages below ``api``; an unchanged page keeps its time of change."""
    folder = source / "api" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    modules = public_modules()
    pages = {folder / f"{name}.rst": module_page(name) for name in modules}
    pages[source / "api" / "index.rst"] = index_page(modules)
    for path, text in pages.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


class Autosummary(autosummary.Autosummary):
    """Tables of names, without the references that a docstring's first line cites.

    A citation points into the page of its own docstring, and not into a table.
    """

    def get_items(self, names):
        """Return (name, signature, first line, full name) of each name."""
        return [
            (name, signature, _CITATION.sub("", summary), full)
            for name, signature, summary, full in super().get_items(names)
        ]


def leave_out_routing(app, what, name, value, skip, options):
    """Tell autodoc to leave a method out; None leaves the decision to others."""
    return True if _ROUTING.fullmatch(name) else None


def find_text(app, what, name, value, options, lines):
    """Take the text below a value from the private module that defines it.

    Autodoc looks in the module that has the public name only, and then shows the
    docstring of the value's type.
    """
    if what != "data":
        return
    module, _, attribute = name.rpartition(".")
    for defining in [known for known in sys.modules if known.startswith(f"{module}._")]:
        texts = ModuleAnalyzer.for_module(defining).find_attr_docs()
        if ("", attribute) in texts:
            lines[:] = texts["", attribute]


def setup(app):
    """Write the pages, before Sphinx looks for what there is."""
    write_pages(Path(app.srcdir))
    app.setup_extension("sphinx.ext.autosummary")
    app.connect("autodoc-skip-member", leave_out_routing)
    app.connect("autodoc-process-docstring", find_text)
    app.add_directive("autosummary", Autosummary, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
