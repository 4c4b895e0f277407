"""Random maps and masks: continuous, tied, quantised and constant."""

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

DTYPES = ("float32", "float64", "float16", "uint8", "int16", "uint16", "int32", "bool")


def examples(number):
    """So many examples, on a busy machine too."""
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@st.composite
def anomaly_map(draw, shape, dtype):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["random", "quantised", "constant", "spread"]))
    if kind == "random":
        values = rng.normal(size=shape)
    elif kind == "quantised":
        values = rng.integers(-2, 4, size=shape) / 2
    elif kind == "constant":
        values = np.full(shape, 0.5)
    else:
        values = rng.choice([-1.0, 1.0], size=shape) * 10 ** rng.uniform(-4, 4, shape)
    if np.dtype(dtype).kind in "ui":
        lowest = np.iinfo(dtype).min
        values = np.clip(values * 10, max(lowest, -30000), 250)
    return values.astype(dtype)


@st.composite
def data_set(draw, max_images=4, dtypes=DTYPES, with_ignore=False):
    """Maps, masks and perhaps ignored pixels, with both kinds of pixel."""
    dtype = draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    maps, masks, ignore = [], [], []
    for _ in range(draw(st.integers(1, max_images))):
        shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
        maps.append(draw(anomaly_map(shape, dtype)))
        share = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0]))
        mask = rng.random(shape) < share
        masks.append(mask if mask.any() or draw(st.booleans()) else None)
        ignored = rng.random(shape) < 0.2
        ignore.append(ignored if with_ignore and draw(st.booleans()) else None)
    return maps, masks, ignore if with_ignore else None
