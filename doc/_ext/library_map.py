"""The whole library in one picture, drawn from its public names at every build.

``.. library-map::`` puts in an SVG in which every name links to its page. The boxes lie
where images pass on their way to a decision; a name that is new gets its place in the
box of its module by itself.
"""

from html import escape
from importlib import import_module

from docutils import nodes
from docutils.parsers.rst import Directive

# Rows of modules, from the images to what people look at.
ROWS = [
    ["skuad.datasets", "skuad.io"],
    ["skuad.preprocessing", "skuad.augmentation"],
    ["skuad.feature_extraction", "skuad.neighbors", "skuad.weights"],
    ["skuad.detectors", "skuad.base"],
    ["skuad.postprocessing", "skuad.calibration", "skuad.inference"],
    ["skuad.metrics", "skuad.model_selection"],
    ["skuad.inspection", "skuad.utils", "skuad.utils.estimator_checks", "skuad.cli"],
]
# What is handed on from each row to the next.
ARROWS = [
    "paths, masks and targets; images",
    "images",
    "patch features",
    "anomaly maps and scores",
    "masks, regions, decisions",
    "curves, tables, the best parameters",
]
WIDTH, GAP, ARROW, PAD = 1100, 16, 34, 12
LINE, CHARACTER = 18, 7.3  # of names at a size of 12 pixels


def draw(link) -> str:
    """Draw the map.

    Parameters
    ----------
    link : callable
        Gives the address of the page of a full name.
    """
    parts, y = [], 4
    for number, modules in enumerate(ROWS):
        widths = _widths(modules)
        boxes = [_flow(*arguments) for arguments in zip(modules, widths, strict=True)]
        height = max(len(lines) for lines in boxes) * LINE + 2 * PAD + 40
        x = 0.0
        for module, width, lines in zip(modules, widths, boxes, strict=True):
            parts += _box(module, lines, x, y, width, height, link)
            x += width + GAP
        y += height
        if number < len(ARROWS):
            parts += _arrow(ARROWS[number], y)
            y += ARROW
    return (
        f'<svg class="library-map" viewBox="-1 0 {WIDTH + 2} {y + 4}" role="img" '
        f'aria-label="The modules of skuad and their public names" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def names_of(module: str) -> list[str]:
    """List the public names of a module, classes first."""
    return sorted(
        import_module(module).__all__,
        key=lambda name: (name.islower() or name.isupper(), name),
    )


def _widths(modules):
    """Share the width of a row out by the number of letters in each box."""
    letters = [sum(len(name) + 2 for name in names_of(module)) for module in modules]
    # Titles have to fit too.
    least = [len(module) * 9 + 2 * PAD for module in modules]
    free = WIDTH - GAP * (len(modules) - 1) - sum(least)
    return [
        low + free * count / sum(letters)
        for low, count in zip(least, letters, strict=True)
    ]


def _flow(module, width):
    """Break the names of a module into lines of (name, offset)."""
    lines, x = [[]], 0.0
    for name in names_of(module):
        length = len(name) * CHARACTER
        if lines[-1] and x + length > width - 2 * PAD:
            lines.append([])
            x = 0.0
        lines[-1].append((name, x))
        x += length + 1.5 * CHARACTER
    return lines


def _box(module, lines, x, y, width, height, link):
    yield (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="8"/>'
        f'<a href="{escape(link(module))}">'
        f'<text class="module" x="{x + PAD:.1f}" y="{y + 28}">{module}</text></a>'
    )
    for row, names in enumerate(lines):
        for name, offset in names:
            kind = "function" if name.islower() or name.isupper() else "class"
            yield (
                f'<a href="{escape(link(f"{module}.{name}"))}"><text class="{kind}" '
                f'x="{x + PAD + offset:.1f}" y="{y + 54 + row * LINE}">{name}</text></a>'
            )


def _arrow(text, y):
    middle = WIDTH / 2
    yield (
        f'<path d="M{middle} {y + 3} V{y + ARROW - 9} m-5 -5 l5 7 l5 -7"/>'
        f'<text class="passes" x="{middle + 14}" y="{y + ARROW / 2 + 5}">'
        f"{escape(text)}</text>"
    )


class library_map(nodes.General, nodes.Element):
    """Where the picture goes; drawn when the addresses of pages are known."""


class LibraryMap(Directive):
    """The directive ``library-map``."""

    def run(self):
        """Return the place of the picture."""
        return [library_map()]


def visit(translator, node):
    """Write the picture into an HTML page."""
    builder, page = translator.builder, translator.builder.current_docname

    def link(name):
        return builder.get_relative_uri(page, f"api/generated/{name}")

    translator.body.append(draw(link))
    raise nodes.SkipNode


def setup(app):
    """Register with Sphinx."""
    app.add_node(library_map, html=(visit, None))
    app.add_directive("library-map", LibraryMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
