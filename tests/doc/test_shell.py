"""The commands of the README and of the start guide, in an empty virtual environment."""

import json
import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

from skuad.datasets import make_defect_images
from skuad.io import write_image

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "doc/user_guide/start.md"]
SOURCES = ["skuad", "pyproject.toml", "setup.cfg", "README.md", "LICENSE"]


def commands(page):
    """Return the commands of a page, but for the one that runs these tests."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "".join(block for block in blocks if "pytest" not in block)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the sources, as a clone has them, beside photographs of a stranger."""
    folder = tmp_path_factory.mktemp("clone")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder)
    data = make_defect_images("weave", n_train=20, n_good=1, n_defective=1, size=96)
    for name, images in {"good": data.train, "new": data.test}.items():
        (folder / "photos" / name).mkdir(parents=True)
        for number, image in enumerate(images):
            write_image(folder / "photos" / name / f"{number}.png", image)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables under which an empty virtual environment is the active one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    kept = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    return kept | {
        "PATH": f"{programs}{os.pathsep}{kept['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.parametrize("page", PAGES)
def test_commands_run_as_written(page, clone, environment):
    text = commands(page)
    for command in ("pip install .", "skuad demo", "skuad fit", "skuad infer"):
        assert command in text
    end = subprocess.run(
        ["bash", "-euc", text],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert end.returncode == 0, end.stdout[-3000:] + end.stderr[-3000:]
    assert "Traceback" not in end.stderr
    assert (clone / "skuad-demo" / "overview.png").is_file()
    lines = (clone / "results" / "predictions.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 2
    assert {json.loads(line)["decision"] for line in lines} <= {"good", "anomalous"}
    assert len(list((clone / "results" / "overlays").iterdir())) == 2
    for made in ("skuad-demo", "results", "line3.joblib"):
        path = clone / made
        shutil.rmtree(path) if path.is_dir() else path.unlink()
