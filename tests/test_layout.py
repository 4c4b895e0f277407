"""The order of the subpackages: no import runs upward."""

import ast
from pathlib import Path

import skuad

LEVELS = [
    {"utils", "io", "weights"},
    {"base"},
    {"preprocessing", "augmentation", "feature_extraction", "neighbors"},
    {"datasets", "metrics"},
    {"detectors", "postprocessing"},
    {"calibration", "model_selection"},
    {"inspection", "inference"},
    {"cli", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
# What serves tests and discovery looks at everything, and imports it on use.
EXEMPT = {"utils/_testing.py", "utils/discovery.py"}
ROOT = Path(skuad.__file__).parent


def _imported(tree):
    """Yield the subpackages that a module imports, at its top or in a function."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("skuad."):
                yield name.split(".")[1]


def test_every_module_has_a_level():
    names = {path.stem for path in ROOT.iterdir() if path.suffix in ("", ".py")}
    assert names - {"__init__", "__pycache__", "py"} <= set(LEVEL)


def test_no_import_runs_upward():
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        own = parts[0].removesuffix(".py")
        if own == "__init__" or "/".join(parts) in EXEMPT:
            continue
        for imported in _imported(ast.parse(path.read_text())):
            if LEVEL[imported] > LEVEL[own]:
                wrong.append(f"{'/'.join(parts)} imports {imported}")
    assert not wrong
