import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from skuad.metrics import _counting, _radix, _wide
from skuad.metrics._counting import ThresholdCounter, ValueTable
from skuad.metrics._keys import ordered_keys

DTYPES = [
    np.dtype(name)
    for name in (
        *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
        *("float16", "float32", "float64"),
    )
]


def numbers(dtype, n, rng):
    """Numbers of all magnitudes and signs, many of them equal."""
    if dtype.kind == "f":
        bits = rng.integers(0, 256, size=(n, dtype.itemsize), dtype=np.uint8)
        values = bits.view(dtype).ravel()
        values = values[np.isfinite(values)]
        special = np.array([0.0, -0.0, np.finfo(dtype).smallest_subnormal, 1, -1, 0.5])
        near = 1 + np.arange(-5, 5) * np.finfo(dtype).eps  # equal if rounded
        pool = np.concatenate([values[:50], special.astype(dtype), near.astype(dtype)])
    else:
        info = np.iinfo(dtype)
        pool = rng.integers(info.min, info.max, size=60, dtype=dtype, endpoint=True)
        pool = np.append(pool, np.array([0, 1, 2, info.min, info.max], dtype))
    return rng.choice(pool, n)


def brute_force(values, thresholds):
    above = [np.sum(values > t) for t in thresholds]
    return above, [np.sum(values >= t) for t in thresholds]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_keys_sort_as_the_numbers_do(dtype):
    values = numbers(dtype, 300, np.random.default_rng(0))
    keys = ordered_keys(values)
    assert keys.dtype.kind == "i" and keys.itemsize == values.itemsize
    np.testing.assert_array_equal(
        keys[:, None] < keys[None], values[:, None] < values[None]
    )
    np.testing.assert_array_equal(
        keys[:, None] == keys[None], values[:, None] == values[None]
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("block, held, table", [(16, 64, 8), (64, 1 << 20, 1 << 20)])
@examples(20)
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 90), max_size=6))
def test_counts_equal_brute_force(dtype, block, held, table, seed, sizes):
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_counting, "_BLOCK", block)
        patch.setattr(_radix, "_HELD", held)
        patch.setattr(_wide, "_HELD", held)
        patch.setattr(_radix, "_TABLE_SIZE", table)
        thresholds = np.unique(numbers(dtype, 20, rng))
        counter = ThresholdCounter(thresholds)
        arrays = [numbers(dtype, size, rng) for size in sizes]
        for array in arrays:
            counter.add(array)
            array = array.copy()
        counts = counter.counts()
    values = np.concatenate([*arrays, np.empty(0, dtype)])
    np.testing.assert_array_equal(counts, brute_force(values, thresholds))
    assert counter.n_values == len(values)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_counts_of_many_values(dtype):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 700, 500)).astype(dtype)
    thresholds = np.unique(rng.normal(size=300).astype(dtype))
    counter = ThresholdCounter(thresholds)
    for array in values:
        counter.add(array)
    np.testing.assert_array_equal(counter.counts(), brute_force(values, thresholds))
    # Asking does not end the counting.
    counter.add(values[0])
    expected = brute_force(np.concatenate([*values, values[0]]), thresholds)
    np.testing.assert_array_equal(counter.counts(), expected)


def test_an_array_may_be_overwritten_once_it_is_added():
    thresholds = np.array([0.5], np.float32)
    counter = ThresholdCounter(thresholds)
    buffer = np.ones((10, 10), np.float32)
    counter.add(buffer)
    buffer[:] = 0
    assert counter.counts()[0] == [100]


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.itemsize <= 2], ids=str)
def test_a_table_counts_at_thresholds_of_any_dtype(dtype):
    rng = np.random.default_rng(0)
    values = numbers(dtype, 500, rng)
    table = ValueTable(dtype)
    table.add(values[:200])
    table.add(values[200:])
    thresholds = np.unique(np.append(values[:20].astype(np.float64), [0.25, -3.5]))
    below, equal = table.below_and_equal(thresholds)
    np.testing.assert_array_equal(below, [np.sum(values < t) for t in thresholds])
    np.testing.assert_array_equal(equal, [np.sum(values == t) for t in thresholds])
