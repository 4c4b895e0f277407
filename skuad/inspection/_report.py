"""One HTML file about how well a detector does."""

import base64
import hashlib
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from importlib.resources import files

import cv2
import numpy as np
import scipy
import sklearn

from skuad import __version__
from skuad.inspection._report_category import CategoryReport
from skuad.inspection._report_pictures import shrink_pictures, size_in_html
from skuad.inspection._report_section import (
    PICTURES,
    category_section,
    picture_galleries,
)
from skuad.inspection._report_tables import summary_table
from skuad.io import atomic_path
from skuad.utils._typing import StrPath


def write_report(
    path: StrPath,
    reports: CategoryReport | Sequence[CategoryReport],
    *,
    title: str = "Anomaly detection report",
    max_megabytes: float = 20,
) -> None:
    """Write results as one HTML file that needs nothing else.

    It holds a table with confidence intervals; for every category a slider for the
    threshold that recounts found and missed defects and false alarms, a histogram of
    the scores, ROC and PRO curves, the anomalous images with the lowest scores and the
    good ones with the highest, and settings, versions and hashes. It works offline, in
    light and dark, and on paper.

    Parameters
    ----------
    path : str or path-like
        Where to; the file appears in one step.
    reports : CategoryReport or sequence of CategoryReport
        One per category.
    title : str, default="Anomaly detection report"
        Heading of the page.
    max_megabytes : float, default=20
        Size of the file, in 1e6 bytes. Pictures are shrunk until it is kept.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If there is no report, or pictures that are small enough show nothing.

    Examples
    --------
    >>> import os, tempfile
    >>> from skuad.datasets import make_defect_images
    >>> from skuad.detectors import PatchKNN
    >>> from skuad.inspection import CategoryReport, write_report
    >>> data = make_defect_images(n_train=10, n_good=3, n_defective=4, size=64)
    >>> detector = PatchKNN(false_alarm_rate=0.1, random_state=0).fit(data.train)
    >>> report = CategoryReport.from_estimator(detector, data.test, data.masks)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "report.html")
    ...     write_report(path, report)
    ...     os.listdir(folder)
    ['report.html']
    """
    reports = [reports] if isinstance(reports, CategoryReport) else list(reports)
    if not reports:
        raise ValueError("reports is empty: give a CategoryReport for each category")
    pages = [category_section(number, report) for number, report in enumerate(reports)]
    rest = 100_000 + sum(len(_encode(page)) for page in pages)
    reports = _fit_pictures(reports, 1e6 * max_megabytes - rest)
    galleries = [picture_galleries(report) for report in reports]
    sections = "".join(
        page.replace(PICTURES, gallery)
        for page, gallery in zip(pages, galleries, strict=True)
    )
    html = _page(title, summary_table(reports) + sections)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(_encode(html))


def _encode(html: str) -> bytes:
    return html.encode("utf-8", "backslashreplace")  # names of files may be any bytes


def _fit_pictures(
    reports: list[CategoryReport], n_bytes: float
) -> list[CategoryReport]:
    """Shrink the pictures of reports until they fit."""
    for _ in range(5):
        total = sum(
            size_in_html(p) for report in reports for p in report.pictures.values()
        )
        if total <= n_bytes:
            return reports
        # The size of a file grows more slowly than its number of pixels.
        scale = max(0.3, min(0.9, n_bytes / total))
        reports = [
            replace(
                report,
                pictures={
                    kind: shrink_pictures(pictures, scale)
                    for kind, pictures in report.pictures.items()
                },
            )
            for report in reports
        ]
    raise ValueError(
        f"the pictures take {total / 1e6:.1f} MB, more than max_megabytes allows: raise "
        "it, or make the reports with fewer, n_examples=..."
    )


def _page(title: str, body: str) -> str:
    assets = files("skuad.inspection")
    style = assets.joinpath("_report.css").read_text(encoding="utf-8")
    script = assets.joinpath("_report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Nothing is fetched, and no script runs but this one.
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="note">Made {time.strftime("%Y-%m-%d %H:%M:%S %z")} by {escape(versions)}</p>
</header>
<main>
{body}
</main>
<dialog id="zoom" aria-label="Enlarged image">
<div class="large"><img src="data:," alt=""><img src="data:," alt=""></div>
<div class="bar"><p></p>
<button type="button" class="previous">Previous</button>
<button type="button" class="next">Next</button>
<button type="button" class="close">Close</button></div>
</dialog>
<script>{script}</script>
</body>
</html>
"""


def _versions() -> dict[str, str]:
    return {
        "skuad": __version__,
        "scikit-learn": sklearn.__version__,
        "NumPy": np.__version__,
        "SciPy": scipy.__version__,
        "OpenCV": cv2.__version__,
        "Python": platform.python_version(),
    }
