"""The commands of the README and of the start guide, in an empty virtual environment."""

import json
import os
import re
import shutil
import subprocess
import venv
from pathlib import Path

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


def clone(folder):
    """Copy the sources, as a clone has them, beside the photographs of a stranger."""
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


def empty_environment(folder):
    """Make a virtual environment; return the variables under which it is active."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    kept = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    return kept | {
        "PATH": f"{programs}{os.pathsep}{kept['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "OMP_NUM_THREADS": "1",
    }


# One test for all pages, since an environment takes its time to fill.
def test_commands_run_as_written(tmp_path):
    environment = empty_environment(tmp_path / "environment")
    folder = tmp_path / "clone"
    folder.mkdir()
    clone(folder)
    for page in PAGES:
        run_commands(page, folder, environment)
        for made in ("skuad-demo", "results"):
            shutil.rmtree(folder / made)
        (folder / "line3.joblib").unlink()


def run_commands(page, folder, environment):
    text = commands(page)
    for command in ("pip install .", "skuad demo", "skuad fit", "skuad infer"):
        assert command in text
    end = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert end.returncode == 0, end.stdout[-3000:] + end.stderr[-3000:]
    assert "Traceback" not in end.stderr
    assert (folder / "skuad-demo" / "overview.png").is_file()
    results = folder / "results"
    lines = (results / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    decisions = [json.loads(line)["decision"] for line in lines]
    assert len(decisions) == 2 and set(decisions) <= {"good", "anomalous"}
    assert len(list((results / "overlays").iterdir())) == 2
