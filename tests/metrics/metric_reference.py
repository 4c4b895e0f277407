"""Plain, slow metrics, threshold by threshold: what the library is checked against."""

from itertools import pairwise

import numpy as np


def counted(maps, masks, ignore=None):
    """Yield the scores and the truth of the pixels of each image that count."""
    for index, values in enumerate(maps):
        values = np.asarray(values, np.float64)
        mask = masks[index]
        mask = np.zeros(values.shape, bool) if mask is None else np.asarray(mask) != 0
        seen = np.ones(values.shape, bool)
        if ignore is not None and ignore[index] is not None:
            seen = np.asarray(ignore[index]) == 0
        yield values, mask, seen


def pooled(maps, masks, ignore=None):
    scores, truth = [], []
    for values, mask, seen in counted(maps, masks, ignore):
        scores.extend(values[seen])
        truth.extend(mask[seen])
    return np.array(scores), np.array(truth, bool)


def thresholds(scores):
    return [np.inf, *sorted(set(scores.tolist()), reverse=True)]


def roc_auc(scores, truth):
    wins = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p in scores[truth]
        for n in scores[~truth]
    ]
    return sum(wins) / len(wins)


def average_precision(scores, truth):
    total, recall = 0.0, 0.0
    for t in thresholds(scores)[1:]:
        true = np.sum(truth & (scores >= t))
        total += (true / truth.sum() - recall) * true / np.sum(scores >= t)
        recall = true / truth.sum()
    return total


def f1(scores, truth, t):
    found = scores >= t
    return 2 * np.sum(found & truth) / (np.sum(found) + np.sum(truth))


def f1_max(scores, truth):
    """The score, and the highest threshold that reaches it."""
    values = [(f1(scores, truth, t), t) for t in thresholds(scores)[1:]]
    best = max(value for value, _ in values)
    return best, next(t for value, t in values if value == best)


def regions(mask):
    """8-connected regions, by flood fill."""
    left = {tuple(place) for place in np.argwhere(mask)}
    found = []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            region.add((y, x))
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (y + dy, x + dx) in left:
                        left.remove((y + dy, x + dx))
                        edge.append((y + dy, x + dx))
        found.append(np.array(sorted(region)))
    return found


def area_up_to(x, y, limit):
    """Area under a polyline up to x = limit, divided by the limit."""
    area = 0.0
    for x0, x1, y0, y1 in zip(x[:-1], x[1:], y[:-1], y[1:], strict=True):
        if x0 >= limit:
            break
        if x1 > limit:
            y1 = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            x1 = limit
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


def pro_curve(maps, masks, ignore=None):
    images = list(counted(maps, masks, ignore))
    parts = []
    for values, mask, seen in images:
        for region in regions(mask):
            inside = [values[y, x] for y, x in region if seen[y, x]]
            if inside:
                parts.append(np.array(inside))
    normal = np.concatenate([v[~m & s] for v, m, s in images])
    everything = pooled(maps, masks, ignore)[0]
    fpr, pro = [], []
    for t in thresholds(everything):
        fpr.append(np.mean(normal >= t))
        pro.append(np.mean([np.mean(part >= t) for part in parts]))
    return fpr, pro


def aupro(maps, masks, limit, ignore=None):
    return area_up_to(*pro_curve(maps, masks, ignore), limit)


def au_spro(maps, channels, areas, limit, ignore=None):
    normal, parts, everything = [], [], []
    for index, values in enumerate(maps):
        values = np.asarray(values, np.float64)
        seen = np.ones(values.shape, bool)
        if ignore is not None and ignore[index] is not None:
            seen = np.asarray(ignore[index]) == 0
        union = np.zeros(values.shape, bool)
        for channel, area in zip(channels[index] or [], areas[index], strict=True):
            inside = values[(channel != 0) & seen]
            if len(inside):
                parts.append((inside, min(area, len(inside))))
            union |= channel != 0
        normal.extend(values[~union & seen])
        everything.extend(values[seen])
    fpr, spro = [], []
    for t in thresholds(np.array(everything)):
        fpr.append(np.mean(np.array(normal) >= t))
        spro.append(np.mean([min(np.sum(p >= t) / a, 1) for p, a in parts]))
    return area_up_to(fpr, spro, limit)


def aupimo(maps, masks, bounds, ignore=None):
    """One score per image: the overlap, averaged over the log of the rate."""
    lower, upper = bounds
    images = list(counted(maps, masks, ignore))
    normal = np.concatenate([v[s] for v, m, s in images if not m.any()])
    scores = []
    for values, mask, seen in images:
        if not mask.any() or not (mask & seen).any():
            scores.append(np.nan)
            continue
        inside = values[mask & seen]
        rates = np.array([np.mean(normal >= p) for p in inside])
        between = sorted({r for r in rates if lower < r < upper})
        stops = [lower, *between, upper]
        total = 0.0
        for start, stop in pairwise(stops):
            # From this rate on, up to the next, the same pixels are found.
            total += np.mean(rates <= start) * np.log(stop / start)
        scores.append(total / np.log(upper / lower))
    return np.array(scores)
