import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skuad.preprocessing import extract_tile, iter_tile_coords, stitch_maps

sizes = st.integers(1, 40)


@st.composite
def grids(draw):
    """Height, width, tile and stride, the tile also larger than the image."""
    tile = draw(st.integers(1, 48))
    return draw(sizes), draw(sizes), tile, draw(st.integers(1, tile))


def cut(image, tile, stride, **options):
    coords = list(iter_tile_coords(*image.shape[:2], tile=tile, stride=stride))
    return coords, [
        extract_tile(image, *corner, tile=tile, **options) for corner in coords
    ]


def random_image(h, w, channels=(), dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        top = np.iinfo(dtype).max
        return rng.integers(0, top, (h, w, *channels), dtype=dtype, endpoint=True)
    return rng.standard_normal((h, w, *channels)).astype(dtype)


def count(coords, shape, tile):
    n_tiles = np.zeros(shape, int)
    for y0, x0 in coords:
        n_tiles[y0 : y0 + tile, x0 : x0 + tile] += 1
    return n_tiles


@given(grids())
def test_every_pixel_is_covered_and_no_tile_leaves_the_image(grid):
    h, w, tile, stride = grid
    coords = list(iter_tile_coords(h, w, tile=tile, stride=stride))
    assert count(coords, (h, w), tile).min() >= 1
    assert len(set(coords)) == len(coords) and coords == sorted(coords)
    for y0, x0 in coords:
        assert y0 == 0 or y0 + tile <= h
        assert x0 == 0 or x0 + tile <= w
    steps = np.diff(sorted({y0 for y0, _ in coords}))
    assert (steps[:-1] == stride).all() and (steps <= stride).all()
    # No tile is there for nothing.
    n_down = 1 + max(0, -(-(h - tile) // stride))
    n_across = 1 + max(0, -(-(w - tile) // stride))
    assert len(coords) == n_down * n_across


@settings(deadline=None)
@given(
    grids(),
    st.sampled_from(["max", "mean", "blend"]),
    st.sampled_from(["reflect", "symmetric", "edge", "constant"]),
    st.sampled_from([(), (1,), (3,)]),
    st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
)
def test_identity_reproduces_the_image(grid, reduce, pad_mode, channels, dtype):
    h, w, tile, stride = grid
    image = random_image(h, w, channels, dtype)
    coords, tiles = cut(image, tile, stride, pad_mode=pad_mode)
    assert all(part.shape == (tile, tile, *channels) for part in tiles)
    stitched = stitch_maps(iter(tiles), coords, (h, w), reduce=reduce)
    assert stitched.shape == image.shape
    if reduce == "max":
        assert stitched.dtype == dtype
        assert_array_equal(stitched, image)
        return
    single = dtype in (np.uint8, np.float32)
    assert stitched.dtype == (np.float32 if single else np.float64)
    if np.dtype(dtype).kind == "u":
        assert_array_equal(np.rint(stitched).astype(dtype), image)
    n_tiles = count(coords, (h, w), tile)
    tolerance = (2 + n_tiles.max()) * np.finfo(stitched.dtype).eps
    np.testing.assert_allclose(stitched, image, rtol=tolerance, atol=0)
    assert_array_equal(stitched[n_tiles == 1], image[n_tiles == 1])


def slow_stitch(maps, coords, shape, reduce):
    """Stitch pixel by pixel in float64."""
    tile = maps.shape[1]
    ramp = np.minimum(np.arange(tile) + 1.0, tile - np.arange(tile))
    values = [[[] for _ in range(shape[1])] for _ in range(shape[0])]
    for tile_map, (y0, x0) in zip(maps, coords, strict=True):
        for dy in range(min(tile, shape[0] - y0)):
            for dx in range(min(tile, shape[1] - x0)):
                weight = ramp[dy] * ramp[dx] if reduce == "blend" else 1.0
                values[y0 + dy][x0 + dx].append((tile_map[dy, dx], weight))
    out = np.zeros(shape)
    for y in range(shape[0]):
        for x in range(shape[1]):
            found = np.array(values[y][x]).reshape(-1, 2)
            if len(found) and reduce == "max":
                out[y, x] = found[:, 0].max()
            elif len(found):
                out[y, x] = np.average(found[:, 0], weights=found[:, 1])
    return out


@settings(deadline=None, max_examples=40)
@given(grids(), st.sampled_from(["max", "mean", "blend"]), st.data())
def test_stitching_agrees_with_the_slow_way_also_with_tiles_left_out(
    grid, reduce, data
):
    h, w, tile, stride = grid
    coords = list(iter_tile_coords(h, w, tile=tile, stride=stride))[:60]
    order = data.draw(st.permutations(coords))
    coords = order[: data.draw(st.integers(1, len(coords)))]
    maps = np.random.default_rng(0).random((len(coords), tile, tile)) - 0.5
    stitched = stitch_maps(maps, coords, (h, w), reduce=reduce)
    expected = slow_stitch(maps, coords, (h, w), reduce)
    np.testing.assert_allclose(stitched, expected, rtol=1e-9, atol=1e-12)


@given(grids())
def test_blend_weights_sum_to_one(grid):
    h, w, tile, stride = grid
    coords = list(iter_tile_coords(h, w, tile=tile, stride=stride))
    ones = np.ones((len(coords), tile, tile))
    stitched = stitch_maps(ones, coords, (h, w), reduce="blend")
    np.testing.assert_allclose(stitched, 1, rtol=1e-14)


def test_blend_has_no_seam():
    # Two overlapping tiles of different level: the step becomes a ramp.
    coords = list(iter_tile_coords(8, 12, tile=8, stride=4))
    maps = np.stack([np.zeros((8, 8)), np.ones((8, 8))])
    blended = stitch_maps(maps, coords, (8, 12), reduce="blend")
    assert np.diff(blended[3]).max() < 0.21
    assert blended[3, 3] == 0 and blended[3, 8] == 1


def test_pixels_without_a_tile():
    maps = np.full((1, 4, 4), -2.0)
    for reduce in ("max", "mean", "blend"):
        stitched = stitch_maps(maps, [(0, 4)], (4, 12), reduce=reduce)
        assert_array_equal(stitched[:, 4:8], -2)
        assert_array_equal(stitched[:, :4], 0)
        filled = stitch_maps(maps, [(0, 4)], (4, 12), reduce=reduce, fill_value=np.nan)
        assert np.isnan(filled[:, 8:]).all() and (filled[:, 4:8] == -2).all()


def test_tiles_of_another_aspect_and_line_scans():
    image = random_image(1, 50, (1,))
    coords = list(iter_tile_coords(1, 50, tile=(1, 16), stride=(1, 12)))
    tiles = [extract_tile(image, *corner, tile=(1, 16)) for corner in coords]
    assert tiles[0].shape == (1, 16, 1)
    stitched = stitch_maps(tiles, coords, (1, 50), reduce="blend")
    np.testing.assert_allclose(stitched, image, rtol=1e-6)
    # As maps that were never padded downwards, in a grid of square tiles.
    coords = list(iter_tile_coords(1, 50, tile=16, stride=12))
    maps = [image[:, x0 : x0 + 16, 0] for _, x0 in coords]
    stitched = stitch_maps(maps, coords, (1, 50), reduce="mean")
    np.testing.assert_allclose(stitched, image[..., 0], rtol=1e-6)


def test_a_tile_is_a_view_unless_it_is_padded():
    image = random_image(20, 30, (3,), np.uint8)
    assert extract_tile(image, 4, 10, tile=16).base is image
    padded = extract_tile(image, 0, 3, tile=25)
    assert not np.shares_memory(padded, image)
    assert_array_equal(padded[20:], image[14:19, 3:28][::-1])
    roi = np.ones((2, 3), bool)
    assert extract_tile(roi, 0, 0, tile=4, pad_mode="constant").sum() == 6
    assert extract_tile(image[:1, :1], 0, 0, tile=9).shape == (9, 9, 3)


@pytest.mark.parametrize(
    "arguments, match",
    [
        (dict(h=8, w=8, tile=4, stride=5), "exceeds tile=4"),
        (dict(h=8, w=8, tile=(4, 2), stride=3), "exceeds"),
        (dict(h=8, w=8, tile=4, stride=0), "stride must be an integer"),
        (dict(h=8, w=8, tile=4.0, stride=2), "tile must be an integer"),
        (dict(h=0, w=8, tile=4, stride=2), "h must be"),
    ],
)
def test_impossible_grids_are_errors_at_once(arguments, match):
    with pytest.raises(ValueError, match=match):
        iter_tile_coords(**arguments)


def test_impossible_tiles_and_maps_are_errors():
    image = random_image(8, 8)
    for corner in [(5, 0), (0, 5), (-1, 0)]:
        with pytest.raises(ValueError, match="leaves the image"):
            extract_tile(image, *corner, tile=4)
    with pytest.raises(ValueError, match="pad_mode"):
        extract_tile(image, 0, 0, tile=4, pad_mode="wrap")
    coords, tiles = cut(image, 4, 4)
    for maps, places, match in [
        (tiles[:-1], coords, "4 coords, but 3 maps"),
        ([*tiles, tiles[0]], coords, "4 coords, but more maps"),
        ([], coords, "at least one map"),
        ([np.zeros(4)], coords, "at least one map"),
        ([tiles[0], tiles[1][:2], *tiles[2:]], coords, "all have one shape"),
        (tiles, coords[:-1] + coords[:1], "none twice"),
        (tiles, [], "at least one corner"),
        (tiles, [*coords[:-1], (8, 4)], "lies outside"),
    ]:
        for reduce in ("max", "blend"):
            with pytest.raises(ValueError, match=match):
                stitch_maps(maps, places, (8, 8), reduce=reduce)
    with pytest.raises(ValueError, match="reduce"):
        stitch_maps(tiles, coords, (8, 8), reduce="median")
