"""A category in a report: slider, charts, pictures, settings."""

import json
from html import escape

import numpy as np

from skuad.inspection._report_category import CategoryReport
from skuad.inspection._report_pictures import Picture, data_uri
from skuad.inspection._report_svg import curves_svg, histogram_svg
from skuad.inspection._report_tables import METRICS, NOTHING, format_estimate
from skuad.utils._text import plural

PICTURES = "<!--pictures-->"
"""Where the pictures of a section belong; their size is chosen when all else is known."""

_PRO_LIMIT = 0.3
_LEGEND = """\
On the left the image, true defects outlined in cyan; on the right its anomaly map as
heat, in the same colours for all pictures of this section."""


def category_section(number: int, report: CategoryReport) -> str:
    """Lay out the results of a category, with a mark where its pictures belong."""
    low, high = _score_range(report)
    start = report.threshold
    if start is None:
        start = (low + high) / 2
    data = {
        "scores": report.scores.tolist(),
        "labels": report.labels.tolist(),
        "types": report.types,
        "low": low,
        "high": high,
        "start": start,
    }
    # "</script>" in a name must not end the block.
    block = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<section class="category" aria-labelledby="category-{number}">'
        f'<h2 id="category-{number}">{escape(report.name)}</h2>'
        f'<script type="application/json" class="data">{block}</script>'
        f"{_controls(number, report, low, high, start)}{_charts(report, low, high)}"
        f"{_types(report)}{_unknown_note(report.n_unknown)}{PICTURES}{_details(report)}</section>"
    )


def _score_range(report: CategoryReport) -> tuple[float, float]:
    """Choose the ends of the slider and of the axis of scores.

    Good images and the threshold take a quarter of it or more: defects that nobody would
    miss, of twenty times the threshold, shall not leave the rest a few pixels.
    """
    values, modest = report.scores, report.scores[report.labels == 1]
    if report.threshold is not None:
        values, modest = (np.append(v, report.threshold) for v in (values, modest))
    low, high = float(values.min()), float(values.max())
    margin = 0.02 * (high - low) or max(abs(low), 1.0) * 0.02
    low, high = low - margin, high + margin
    if len(modest) and modest.max() > low:
        high = min(high, low + 4 * (float(modest.max()) - low))
    return low, high


def _controls(
    number: int, report: CategoryReport, low: float, high: float, start: float
) -> str:
    own = "Reset to the detector's"
    note = ""
    if report.threshold is None:
        own = "Reset"
        note = (
            '<p class="note">The detector has no threshold: this one is arbitrary.</p>'
        )
    counts = "".join(
        f'<div><dt>{name}</dt><dd{small} data-count="{key}">&ndash;</dd></div>'
        for key, name, small in [
            ("found", "True alarms: defects found", ""),
            ("missed", "Misses: defects passed", ""),
            ("alarms", "False alarms: good flagged", ""),
            ("passed", "Good passed", ""),
            ("found-rate", "Share of defects found", ' class="small"'),
            ("alarm-rate", "Share of good flagged", ' class="small"'),
        ]
    )
    ends = f'min="{low!r}" max="{high!r}" step="any" value="{start!r}"'
    return (
        '<div class="controls"><div class="threshold">'
        f'<label for="slider-{number}">Threshold</label>'
        f'<input type="range" id="slider-{number}" {ends}>'
        f'<input type="number" step="any" value="{start:.6g}" '
        'aria-label="Threshold as a number">'
        f'<button type="button" class="reset">{own}</button></div>{note}'
        f'<dl class="counts" aria-live="polite">{counts}</dl></div>'
    )


def _charts(report: CategoryReport, low: float, high: float) -> str:
    histogram = histogram_svg(report.scores, report.labels, low, high)
    charts = [("Scores", histogram)]
    rocs = [
        (kind.removesuffix("_roc"), f"{name}, AUROC {_value(report, metric)}")
        + report.curves[kind]
        for kind, name, metric in [
            ("image_roc", "images", "image_roc_auc"),
            ("pixel_roc", "pixels", "pixel_roc_auc"),
        ]
        if kind in report.curves
    ]
    if rocs:
        svg = curves_svg(
            rocs,
            x_label="False-positive rate",
            y_label="True-positive rate",
            label="ROC curves; the circle is the threshold, for images",
            diagonal=True,
        )
        charts.append(("ROC; the circle is the threshold, for images", svg))
    if "pro" in report.curves:
        name = f"regions, AUPRO {_value(report, 'aupro')}"
        svg = curves_svg(
            [("pixel", name, *report.curves["pro"])],
            x_label="False-positive rate of pixels",
            y_label="Per-region overlap",
            x_max=_PRO_LIMIT,
            label="PRO curve",
        )
        charts.append(("PRO", svg))
    figures = (
        f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"
        for caption, svg in charts
    )
    return f'<div class="charts">{"".join(figures)}</div>'


def _value(report: CategoryReport, metric: str) -> str:
    estimate = report.estimates["all"].get(metric)
    return NOTHING if estimate is None else f"{estimate.value:.3f}"


def _types(report: CategoryReport) -> str:
    types = [name for name in report.estimates if name != "all"]
    if len(types) < 2:
        return ""
    metrics = [m for m in METRICS if m in report.estimates["all"]]
    heads = ["type of defect", *(METRICS[m] for m in metrics), "found"]
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    rows = []
    for name in ["all", *types]:
        cells = "".join(
            f"<td>{format_estimate(report.estimates[name].get(m))}</td>"
            for m in metrics
        )
        rows.append(
            f'<tr><th scope="row">{escape(name)}</th>{cells}'
            f'<td data-type="{escape(name)}">&ndash;</td></tr>'
        )
    return (
        f"<h3>By type of defect, each beside all good images</h3>"
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _unknown_note(n_unknown: int) -> str:
    if not n_unknown:
        return ""
    return (
        f'<p class="note">{plural(n_unknown, "anomalous image")} without a mask: '
        "for image metrics only.</p>"
    )


def picture_galleries(report: CategoryReport) -> str:
    """Lay out the pictures of a category."""
    parts = []
    for kind, heading, empty in [
        ("anomalous", "Defects with the lowest scores", "no anomalous images"),
        ("good", "Good images with the highest scores", "no good images"),
    ]:
        pictures = report.pictures[kind]
        body = "".join(_picture(report, picture) for picture in pictures)
        if not pictures:
            body = f'<p class="note">There are {empty} to show.</p>'
        note = f'<p class="note">{_LEGEND}</p>' if kind == "anomalous" else ""
        parts.append(f'<h3>{heading}</h3>{note}<div class="pictures">{body}</div>')
    return "".join(parts)


def _picture(report: CategoryReport, picture: Picture) -> str:
    index = picture.index
    name, kind = escape(report.names[index]), escape(report.types[index])
    return (
        f'<figure class="picture" data-index="{index}">'
        f'<button type="button" aria-label="Enlarge {name}">'
        f'<img src="{data_uri(picture.image)}" alt="{name}">'
        f'<img src="{data_uri(picture.heat)}" alt="Anomaly map of {name}"></button>'
        f"<figcaption>{name}<br>{kind}, score {report.scores[index]:.4g} "
        '<span class="badge"></span></figcaption></figure>'
    )


def _details(report: CategoryReport) -> str:
    facts = list(report.facts)
    if report.model is not None:
        facts.append(("SHA-256 of the model's file", report.model))
    rows = [*facts, *report.settings.items()]
    if not rows:
        return ""
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><code>{escape(text)}</code></td></tr>'
        for name, text in rows
    )
    return (
        "<details><summary>Settings and hashes</summary>"
        f'<table class="facts"><tbody>{body}</tbody></table></details>'
    )
