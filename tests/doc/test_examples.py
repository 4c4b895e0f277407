"""The examples of the documentation.

Blocks of the language ``pycon`` are run, page by page from top to bottom, in an empty
folder, and what they print is compared. Blocks of the language ``python`` are fragments
that need what a reader has to supply: they are compiled, and what they import from
skuad has to be there.
"""

import ast
import doctest
import re
from importlib import import_module
from pathlib import Path

import joblib
import numpy as np
import pytest

from skuad.datasets import make_defect_images
from skuad.detectors import PatchKNN
from skuad.utils import CalibrationWarning

ROOT = Path(__file__).parents[2]
DOC = ROOT / "doc"
GUIDE = DOC / "user_guide"
PAGES = sorted(page for page in DOC.rglob("*.md") if "_build" not in page.parts)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)

pages = pytest.mark.parametrize(
    "page", PAGES, ids=[page.relative_to(DOC).as_posix() for page in PAGES]
)


def blocks(page, language):
    """Return the number of the first line, and the text, of each block of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(2)), match[2])
        for match in _BLOCK.finditer(text)
        if match[1] == language
    ]


def examples(page):
    """Return the examples of a page as one test, with the page's line numbers."""
    parser, found = doctest.DocTestParser(), []
    for line, text in blocks(page, "pycon"):
        for example in parser.get_examples(text):
            example.lineno += line
            found.append(example)
    return doctest.DocTest(found, {}, page.name, str(page), 0, None)


@pytest.mark.skipif(not PAGES, reason="the tests lie without the documentation")
@pages
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    test = examples(page)
    runner = doctest.DebugRunner(optionflags=FLAGS, verbose=False)
    try:
        runner.run(test, out=lambda text: None)
    except doctest.UnexpectedException as fault:
        _, error, _ = fault.exc_info
        if isinstance(error, ImportError):
            raise error from error.__cause__  # conftest.py knows what may be missing
        where = f"{page.name}, line {fault.example.lineno + 1}"
        raise AssertionError(f"{where}: {fault.example.source}") from error
    except doctest.DocTestFailure as fault:
        pytest.fail(
            f"{page.name}, line {fault.example.lineno + 1}:\n{fault.example.source}"
            f"expected:\n{fault.example.want}got:\n{fault.got}",
            pytrace=False,
        )


def test_the_first_lines_of_the_readme_run(tmp_path, monkeypatch):
    # With features that need no weights.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("skuad.detectors.OpenCLIPPatchKNN", PatchKNN)
    data = make_defect_images("weave", n_train=6, n_good=1, n_defective=1, size=64)
    _, code = blocks(ROOT / "README.md", "python")[0]
    names = {"paths_of_good_images": data.train, "new": data.test}
    with pytest.warns(CalibrationWarning):
        exec(code, names)
    assert names["maps"].shape == (2, 64, 64)
    again = joblib.load("line3.joblib")
    np.testing.assert_array_equal(again.transform(data.test), names["maps"])


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name
)
def test_fragments_are_valid(page):
    for line, text in blocks(page, "python"):
        tree = ast.parse(text, f"{page.name}, block after line {line}")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("skuad"):
                module = import_module(node.module)
                lacking = [n.name for n in node.names if not hasattr(module, n.name)]
                assert not lacking, f"{page.name}: {node.module} has no {lacking}"


def test_every_data_set_has_a_page():
    from skuad.datasets import list_datasets

    for name in list_datasets():
        page = GUIDE / "datasets" / f"{name}.md"
        text = page.read_text(encoding="utf-8")
        headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
        assert headings[:3] == ["Get it", "Layout", "Use it"], page
        assert "Licence" in text and len(examples(page).examples) > 2
        index = (GUIDE / "datasets" / "index.md").read_text(encoding="utf-8")
        assert f"({name}.md)" in index
