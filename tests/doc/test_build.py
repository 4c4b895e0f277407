"""The documentation is built, gallery and all, and any warning is an error."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from importlib import import_module
from pathlib import Path

import pytest

DOC = Path(__file__).parents[2] / "doc"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages, from a copy of the sources: the build writes among them."""
    folder = tmp_path_factory.mktemp("documentation")
    source, out = folder / "doc", folder / "html"
    written = ("_build", "generated", "auto_examples", "sg_execution_times.rst")
    shutil.copytree(DOC, source, ignore=shutil.ignore_patterns(*written, "__pycache__"))
    end = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", source, out],
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert end.returncode == 0, end.stdout[-3000:] + end.stderr[-6000:]
    return out


@pytest.fixture(scope="module")
def public():
    """Full names of all that is public."""
    sys.path.insert(0, str(DOC / "_ext"))
    try:
        modules = import_module("api_pages").public_modules()
    finally:
        sys.path.pop(0)
    return [
        f"{name}.{public}" for name in modules for public in import_module(name).__all__
    ]


def test_every_public_name_is_in_the_index(site, public):
    assert len(public) > 150
    index = (site / "genindex.html").read_text(encoding="utf-8")
    anchors = set(re.findall(r'href="([^"]+)"', index))
    lacking = {
        name for name in public if f"api/generated/{name}.html#{name}" not in anchors
    }
    assert not lacking
    for name in public:
        page = (site / "api" / "generated" / f"{name}.html").read_text("utf-8")
        assert f'id="{name}"' in page


def test_the_map_shows_every_public_name(site, public):
    page = (site / "library_map.html").read_text(encoding="utf-8")
    links = {
        unescape(link): name
        for link, name in re.findall(r'<a href="([^"]+)"><text [^>]+>([^<]+)<', page)
    }
    for name in public:
        assert links[f"api/generated/{name}.html"] == name.rpartition(".")[2]


def test_every_example_has_run(site):
    for program in (DOC / "examples").glob("plot_*.py"):
        page = site / "auto_examples" / f"{program.stem}.html"
        text = page.read_text(encoding="utf-8")
        assert "sphx-glr-single-img" in text or "sphx-glr-multi-img" in text, program


def test_links_between_pages_lead_somewhere(site):
    for path in site.rglob("*.html"):
        for link in re.findall(r'href="([^"#?]+)', path.read_text(encoding="utf-8")):
            if not re.match(r"\w+:|//", link):
                assert (path.parent / unescape(link)).exists(), f"{path}: {link}"
