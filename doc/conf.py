"""Configuration of Sphinx: ``sphinx-build -W doc doc/_build/html``."""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import skuad
from skuad.utils import CalibrationWarning

project = "skuad"
author = "The skuad developers"
copyright = author
release = skuad.__version__
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "library_map",
    "name_links",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_ext", "_templates", "examples", "**/GALLERY_HEADER.rst"]
# Single backticks are names: links where there is something to link to.
default_role = "py:obj"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # docstrings say shapes and units too
numpydoc_show_class_members = False  # templates list what is public
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = f"skuad {release}"
html_static_path = ["_static"]
html_css_files = ["skuad.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "install": [], "glossary": [], "library_map": []}
html_theme_options = {
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "navigation_depth": 2,
    "collapse_navigation": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "gallery_order.ReadingOrder",
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("skuad",),
    "reference_url": {"skuad": None},
    "show_memory": False,
    "capture_repr": ("_repr_html_",),  # others show addresses in memory
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "default_thumb_file": str(HERE / "_static" / "demo.jpg"),
}

# Few images are the rule in examples; the guide explains the warning.
warnings.filterwarnings("ignore", category=CalibrationWarning)
