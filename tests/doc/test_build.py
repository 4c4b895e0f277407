"""The documentation is built, gallery and all, and any warning is an error.

One test, since the build takes most of a minute: with several workers, a fixture would be
built by each of them.
"""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from importlib import import_module
from pathlib import Path

import sphinx  # noqa: F401 -- the build, in a process of its own, needs it

DOC = Path(__file__).parents[2] / "doc"


def test_documentation_is_built_and_complete(tmp_path, monkeypatch):
    site = build(tmp_path)
    monkeypatch.syspath_prepend(DOC / "_ext")
    names = [
        f"{module}.{name}"
        for module in import_module("api_pages").public_modules()
        for name in import_module(module).__all__
    ]
    assert len(names) > 150
    every_name_is_in_the_index(site, names)
    names_in_the_guide_are_links(site)
    every_name_is_on_the_map(site, names)
    every_example_has_run(site)
    links_lead_somewhere(site)


def build(folder):
    """Build from a copy of the sources, since the build writes among them."""
    source, out = folder / "doc", folder / "html"
    written = ("_build", "generated", "auto_examples", "__pycache__")
    shutil.copytree(DOC, source, ignore=shutil.ignore_patterns(*written))
    end = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", source, out],
        env=os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert end.returncode == 0, end.stdout[-3000:] + end.stderr[-6000:]
    return out


def every_name_is_in_the_index(site, names):
    index = (site / "genindex.html").read_text(encoding="utf-8")
    links = set(re.findall(r'href="([^"]+)"', index))
    assert not [n for n in names if f"api/generated/{n}.html#{n}" not in links]
    for name in names:
        page = site / "api" / "generated" / f"{name}.html"
        assert f'id="{name}"' in page.read_text(encoding="utf-8")
    page = site / "api" / "generated" / "skuad.detectors.PatchKNN.html"
    text = page.read_text(encoding="utf-8")
    for method in ("fit", "transform", "predict", "score_samples"):
        assert f'id="skuad.detectors.PatchKNN.{method}"' in text


def names_in_the_guide_are_links(site):
    guide = (site / "user_guide" / "detectors.html").read_text(encoding="utf-8")
    for name in ("skuad.detectors.PatchKNN", "skuad.postprocessing.MapDecision"):
        assert f'href="../api/generated/{name}.html#{name}"' in guide
    # Not what has the same name in another library.
    migration = (site / "migration" / "anomalib.html").read_text(encoding="utf-8")
    assert "skuad.detectors.Tiled" in migration
    assert "skuad.preprocessing.Tiler" not in migration


def every_name_is_on_the_map(site, names):
    page = (site / "library_map.html").read_text(encoding="utf-8")
    shown = re.findall(r'<a href="([^"]+)"><text [^>]+>([^<]+)<', page)
    for name in names:
        assert (f"api/generated/{name}.html", name.rpartition(".")[2]) in shown


def every_example_has_run(site):
    for program in (DOC / "examples").glob("plot_*.py"):
        page = site / "auto_examples" / f"{program.stem}.html"
        assert 'src="../_images/sphx_glr' in page.read_text(encoding="utf-8"), program


def links_lead_somewhere(site):
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    assert len(pages) > 200
    for path in pages:
        for link in re.findall(r'href="([^"#?]+)', path.read_text(encoding="utf-8")):
            if not re.match(r"\w+:|//", link):
                assert (path.parent / unescape(link)).exists(), f"{path}: {link}"
