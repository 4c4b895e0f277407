"""A public name in backticks is a link to its page in the reference.

In Markdown pages, and where docstrings and examples leave the module out.

Names are ``PatchKNN``, ``PatchKNN(n_neighbors=3)``, ``PatchKNN.fit``, ``skuad.detectors``
and ``skuad.detectors.PatchKNN``. A name that two modules have needs its module.
"""

from functools import cache
from importlib import import_module

from api_pages import public_modules
from docutils import nodes
from sphinx import addnodes


@cache
def targets() -> dict[str, str]:
    """Map what pages write to full names."""
    found: dict[str, str] = {}
    twice = set()
    for module in public_modules():
        for name in import_module(module).__all__:
            full = f"{module}.{name}"
            found[full] = full
            if found.setdefault(name, full) != full:
                twice.add(name)
    return {name: full for name, full in found.items() if name not in twice}


def is_of_another_library(literal, page) -> bool:
    """Tell whether a name is in the first column of a table of a migration page."""
    cell = literal.parent
    while cell is not None and not isinstance(cell, nodes.entry):
        cell = cell.parent
    return (
        page.startswith("migration/")
        and cell is not None
        and not cell.parent.index(cell)
    )


def reference_to(text, names, modules):
    """Return the domain, type and target of the link of a text, or None."""
    name = text.split("(")[0]
    if name in modules:
        return "std", "doc", f"/api/generated/{name}"
    if name in names:
        return "py", "obj", names[name]
    owner, _, method = name.rpartition(".")
    if owner in names and method:
        return "py", "obj", f"{names[owner]}.{method}"
    return None


def link_names(app, doctree):
    """Turn the names of a page into references."""
    page = app.env.docname
    if not str(app.env.doc2path(page)).endswith(".md"):
        return
    names = targets()
    modules = {name.rpartition(".")[0] for name in names.values()}
    for literal in list(doctree.findall(nodes.literal)):
        linked = (nodes.reference, addnodes.pending_xref, nodes.title)
        if isinstance(literal.parent, linked) or is_of_another_library(literal, page):
            continue
        found = reference_to(literal.astext(), names, modules)
        if found is not None:
            domain, kind, target = found
            reference = addnodes.pending_xref(
                "",
                literal.deepcopy(),
                refdomain=domain,
                reftype=kind,
                reftarget=target,
                refdoc=page,
                refwarn=False,
                refexplicit=True,
            )
            literal.replace_self(reference)


def find_module(app, env, node, content):
    """Resolve a name without its module, in a docstring or an example."""
    if node.get("refdomain") != "py":
        return None
    found = reference_to(node["reftarget"], targets(), ())
    if found is None or found[2] == node["reftarget"]:
        return None
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, "obj", found[2], node, content
    )


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", link_names)
    app.connect("missing-reference", find_module)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
