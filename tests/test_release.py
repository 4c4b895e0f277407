"""What is shipped: one version, a small wheel without weights, types that are checked."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import build
import mypy.api
import pytest
import twine.commands.check

import skuad

ROOT = Path(__file__).parents[1]
SHIPPED = ["pyproject.toml", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE"]
#: What weights and data sets come in; none of it is shipped.
HEAVY = {
    ".bin", ".ckpt", ".joblib", ".npy", ".npz", ".onnx", ".pkl", ".png", ".pt", ".pth",
    ".safetensors", ".skops", ".xml", ".zip",
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Build from a copy of what is needed, with what is installed: without a network."""
    source = tmp_path_factory.mktemp("source")
    for name in [*SHIPPED, "CHANGELOG.md"]:
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "skuad", source / "skuad", ignore=ignored)
    builder, out = build.ProjectBuilder(source, runner=quiet), source / "dist"
    return [Path(builder.build(kind, out)) for kind in ("wheel", "sdist")]


def quiet(command, cwd=None, extra_environ=None):
    """Run a step of the build; its many lines are shown only if it fails."""
    end = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | dict(extra_environ or {}),
        capture_output=True,
        text=True,
    )
    assert end.returncode == 0, end.stdout[-2000:] + end.stderr[-2000:]


def test_wheel_is_small_and_holds_no_weights(shipped):
    wheel, _ = shipped
    with zipfile.ZipFile(wheel) as archive:
        files = [file for file in archive.infolist() if not file.is_dir()]
    names = {file.filename for file in files}
    assert {"skuad/py.typed", "skuad/__init__.py"} <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"skuad", f"skuad-{skuad.__version__}.dist-info"}
    code = {
        f"skuad/{path.relative_to(ROOT / 'skuad').as_posix()}" for path in sources()
    }
    assert code <= names
    assert not [name for name in names if Path(name).suffix in HEAVY]
    assert max(file.file_size for file in files) < 1_000_000
    assert wheel.stat().st_size < 1_000_000


def sources():
    """Return all that the package reads: code, style sheets, scripts, the type marker."""
    return [
        path
        for path in (ROOT / "skuad").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def test_wheel_runs(shipped, tmp_path):
    wheel, _ = shipped
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import skuad; from skuad.inspection import write_report; print(skuad.__file__)"
    )
    for command, expected in (
        (["-m", "skuad", "--version"], f"skuad {skuad.__version__}"),
        (["-c", code], str(tmp_path / "skuad" / "__init__.py")),
    ):
        end = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert end.stdout.strip() == expected, end.stderr


def test_version_is_in_one_place(shipped):
    wheel, sdist = shipped
    with zipfile.ZipFile(wheel) as archive:
        name = f"skuad-{skuad.__version__}.dist-info/METADATA"
        metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Version"] == skuad.__version__
    assert sdist.name == f"skuad-{skuad.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert not [name for name in names if "/tests/" in name]
    assert f"skuad-{skuad.__version__}/CHANGELOG.md" in names
    holders = [
        path
        for path in [ROOT / "pyproject.toml", ROOT / "setup.cfg", *sources()]
        if f'"{skuad.__version__}"' in path.read_text(encoding="utf-8")
    ]
    assert holders == [ROOT / "skuad" / "__init__.py"]


def test_package_index_would_take_them(shipped, capsys):
    failed = twine.commands.check.check([str(path) for path in shipped], strict=True)
    assert not failed, capsys.readouterr().out


def test_changelog_leads_to_what_is_new():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "](doc/whats_new/" in text
    for link in text.split("](")[1:]:
        assert (ROOT / link.split(")")[0]).exists(), link


def test_types(tmp_path):
    """All modules pass mypy as pyproject.toml sets it."""
    out, errors, code = mypy.api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    )
    assert code == 0, out + errors
