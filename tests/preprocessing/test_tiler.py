import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skuad.io import ImageSequence, write_image
from skuad.preprocessing import Tiler, TileStack, extract_tile


def image(h=40, w=50, channels=(3,), dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        top = np.iinfo(dtype).max
        return rng.integers(0, top, (h, w, *channels), dtype=dtype, endpoint=True)
    return rng.random((h, w, *channels)).astype(dtype)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=3),
    st.integers(1, 48).flatmap(lambda t: st.tuples(st.just(t), st.integers(1, t))),
    st.sampled_from(["blend", "mean", "max"]),
    st.sampled_from([(), (1,), (3,)]),
    st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
)
def test_images_come_back(shapes, grid, reduce, channels, dtype):
    X = [image(*shape, channels, dtype, seed) for seed, shape in enumerate(shapes)]
    tile, stride = grid
    tiler = Tiler(tile, stride=stride)
    stacks = tiler.fit_transform(X)
    back = tiler.inverse_transform(stacks, reduce=reduce)
    for original, stack, result in zip(X, stacks, back, strict=True):
        assert stack.shape[1:] == (tile, tile, *channels)
        assert stack.image_shape == original.shape[:2] and stack.dtype == dtype
        for corner, part in zip(stack.coords, stack, strict=True):
            assert_array_equal(part, extract_tile(original, *corner, tile=tile))
        assert result.dtype == dtype and result.shape == original.shape
        if original.dtype.kind == "u" or reduce == "max":
            assert_array_equal(result, original)
        else:
            assert_allclose(result, original, rtol=2500 * np.finfo(dtype).eps)


@pytest.mark.parametrize("n_features", [1, 5, 16, 17, 50])
@pytest.mark.parametrize("tile, stride", [(16, None), (16, 7), (1, 1), (64, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_line_scans_come_back(n_features, tile, stride, dtype):
    X = np.random.default_rng(0).standard_normal((4, n_features)).astype(dtype)
    tiler = Tiler(tile, stride=stride)
    tiles = tiler.fit_transform(X)
    step = stride or tile
    n_tiles = 1 + max(0, -(-(n_features - tile) // step))
    assert tiles.shape == (4, n_tiles * tile) and tiles.dtype == dtype
    assert_array_equal(tiles[:, : min(tile, n_features)], X[:, :tile])
    for reduce in ("blend", "mean", "max"):
        back = tiler.inverse_transform(tiles, reduce=reduce)
        assert back.dtype == dtype
        assert_allclose(back, X, rtol=30 * np.finfo(dtype).eps)
    with pytest.raises(ValueError, match=f"line scans of {n_features} pixels"):
        tiler.inverse_transform(tiles[:, :-1] if tile > 1 else np.ones((2, 99)))


def test_stacks_and_gray_images():
    X = np.stack([image(channels=()), image(channels=(), seed=1)])
    stacks = Tiler(16).fit_transform(X)
    assert isinstance(stacks, list) and len(stacks) == 2
    assert stacks[0].shape == (12, 16, 16)
    back = Tiler(16).inverse_transform(stacks)
    assert_array_equal(np.stack(back), X)


def test_paths_stay_lazy(tmp_path):
    X = [image(), image(20, 30, seed=1)]
    paths = [str(tmp_path / f"{i}.png") for i in range(2)]
    for path, pixels in zip(paths, X, strict=True):
        write_image(path, pixels)
    tiler = Tiler(16, stride=12).fit(paths)
    stacks = tiler.transform(paths)
    assert isinstance(stacks, ImageSequence)
    assert len(pickle.dumps(stacks)) < 5000
    assert_array_equal(stacks[1], tiler.transform(X)[1])
    back = pickle.loads(pickle.dumps(tiler.inverse_transform(stacks)))
    assert isinstance(back, ImageSequence)
    for result, original in zip(back, X, strict=True):
        assert_array_equal(result, original)


def test_a_stack_is_like_the_array_of_its_tiles():
    (stack,) = Tiler(16, stride=8).fit_transform([image()])
    array = np.asarray(stack)
    assert array.shape == stack.shape and array.ndim == stack.ndim == 4
    assert len(stack) == len(array) == len(list(stack))
    assert_array_equal(stack[2:4, ..., 1], array[2:4, ..., 1])
    assert np.asarray(stack, dtype=np.float32).dtype == np.float32
    assert array.base is None or np.shares_memory(array, stack.tiles)
    again = pickle.loads(pickle.dumps(stack))
    assert_array_equal(again, stack)
    assert again.coords == stack.coords and again.image_shape == (40, 50)
    assert "24 tiles" in repr(stack) and "40 x 50" in repr(stack)


def test_maps_take_the_place_of_tiles():
    X = image(dtype=np.float32)
    tiler = Tiler(16, stride=8)
    (stack,) = tiler.fit_transform([X])
    maps = stack.with_tiles([part.mean(axis=2) for part in stack])
    (stitched,) = tiler.inverse_transform([maps])
    assert_allclose(stitched, X.mean(axis=2), rtol=1e-5)
    with pytest.raises(ValueError, match="24 coords, but 3 tiles"):
        stack.with_tiles(np.zeros((3, 16, 16)))


def test_small_images_are_continued_as_told():
    X = [image(3, 5, ())]
    for pad_mode in ("reflect", "symmetric", "edge", "constant"):
        (stack,) = Tiler(8, pad_mode=pad_mode).fit_transform(X)
        assert_array_equal(stack[0], np.pad(X[0], ((0, 5), (0, 3)), mode=pad_mode))


def test_impossible_input():
    X = [image(), image(20, 30)]
    with pytest.raises(ValueError, match="stride=9 exceeds tile=8"):
        Tiler(8, stride=9).fit(X)
    for parameters in (dict(tile=0), dict(stride=0), dict(pad_mode="wrap")):
        with pytest.raises(ValueError, match="parameter of Tiler"):
            Tiler(**parameters).fit(X)
    tiler = Tiler(8).fit(X)
    bad = [X[0], X[1].astype(np.float64)]
    bad[1][3, 4] = np.nan
    with pytest.raises(ValueError, match=r"image 1: .*NaN"):
        tiler.transform(bad)
    stacks = tiler.transform(X)
    with pytest.raises(ValueError, match="wrap it"):
        tiler.inverse_transform(stacks[0])
    with pytest.raises(ValueError, match="Expected TileStacks"):
        tiler.inverse_transform([stacks[0], np.asarray(stacks[1])])
    with pytest.raises(ValueError, match="reduce"):
        tiler.inverse_transform(stacks, reduce="median")
    assert isinstance(stacks[0], TileStack)
