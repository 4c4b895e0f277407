"""The examples of the user guide and of the gallery run."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

DOC = Path(__file__).parents[2] / "doc"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("page", ["model_selection", "scaling"])
def test_user_guide(page):
    text = (DOC / "user_guide" / f"{page}.md").read_text(encoding="utf-8")
    # A line that is not part of the code would be taken for the output.
    blocks = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(blocks, {}, page, page, 0)
    assert len(test.examples) > 5
    report = []
    failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not failed, "".join(report)


def test_gallery_example():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    result = runpy.run_path(str(DOC / "examples" / "plot_tune_on_aupro.py"))
    pyplot.close("all")
    assert result["search"].best_score_ > 0.8
