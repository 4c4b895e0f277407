"""The table of a report."""

from collections.abc import Sequence
from html import escape

import numpy as np

from skuad.inspection._report_category import CategoryReport
from skuad.inspection._report_intervals import wilson_interval
from skuad.metrics._breakdown import Estimate

METRICS = {
    "image_roc_auc": "image AUROC",
    "pixel_roc_auc": "pixel AUROC",
    "aupro": "AUPRO",
}
NOTHING = "&ndash;"
_NOTE = """\
Intervals hold for 95&nbsp;%: of shares by Wilson (1927), of the image AUROC by Newcombe
(2006, method&nbsp;5), of pixel metrics by a bootstrap over images. They tell what other
images of the same kind would give, not what another camera or another lot would.
AUPRO is up to a false-positive rate of 0.3."""


def summary_table(reports: Sequence[CategoryReport]) -> str:
    """Lay out the table at the head of a page, a row per category."""
    metrics = [m for m in METRICS if any(m in r.estimates["all"] for r in reports)]
    heads = ["category", "good", "anomalous", *(METRICS[m] for m in metrics)]
    heads += ["threshold", "false alarms", "defects found"]
    rows = [_row(report, metrics) for report in reports]
    if len(reports) > 1:
        rows.append(_mean_row(reports, metrics))
    body = "".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows)
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
        f'<tbody>{body}</tbody></table></div><p class="note">{_NOTE}</p>'
    )


def _row(report: CategoryReport, metrics: list[str]) -> list[str | int]:
    good, bad = report.labels == 1, report.labels == -1
    cells: list[str | int] = [escape(report.name), int(good.sum()), int(bad.sum())]
    cells += [format_estimate(report.estimates["all"].get(m)) for m in metrics]
    if report.threshold is None:
        return [*cells, "none", NOTHING, NOTHING]
    flagged = report.scores > report.threshold
    counts = [_share(int(flagged[part].sum()), int(part.sum())) for part in (good, bad)]
    return [*cells, f"{report.threshold:.4g}", *counts]


def _mean_row(reports: Sequence[CategoryReport], metrics: list[str]) -> list[str | int]:
    labels = np.concatenate([report.labels for report in reports])
    n_good, n_bad = int((labels == 1).sum()), int((labels == -1).sum())
    cells: list[str | int] = ["mean or sum", n_good, n_bad]
    for metric in metrics:
        values = [r.estimates["all"][metric].value for r in reports if _has(r, metric)]
        cells.append(f"{np.mean(values):.3f}" if values else NOTHING)
    flags = [r.scores > r.threshold for r in reports if r.threshold is not None]
    if len(flags) < len(reports):
        return [*cells, "", "", ""]
    flagged = np.concatenate(flags)
    counts = [
        f"{int(flagged[labels == k].sum())} of {(labels == k).sum()}" for k in (1, -1)
    ]
    return [*cells, "", *counts]


def _has(report: CategoryReport, metric: str) -> bool:
    estimate = report.estimates["all"].get(metric)
    return estimate is not None and np.isfinite(estimate.value)


def format_estimate(estimate: Estimate | None) -> str:
    """Write a metric with its interval, as the content of a cell."""
    if estimate is None or np.isnan(estimate.value):
        return NOTHING
    value, low, high = estimate
    if np.isnan(low):
        return f"{value:.3f}"
    return f"{value:.3f}<small>{low:.3f} to {high:.3f}</small>"


def _share(count: int, total: int) -> str:
    if not total:
        return NOTHING
    low, high = wilson_interval(count, total)
    return (
        f"{count} of {total}<small>{100 * low:.1f} to {100 * high:.1f}&nbsp;%</small>"
    )
