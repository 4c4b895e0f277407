import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from skimage import data as photographs

from skuad.detectors import PatchKNN
from skuad.feature_extraction import TimmEmbedder
from skuad.feature_extraction._patch_network import PatchNetwork
from skuad.feature_extraction._timm import TimmNetwork, build_timm_network
from skuad.utils._testing import tiny_timm_weights
from skuad.utils._testing_images import make_images
from skuad.utils._torch import forget_networks
from skuad.weights import PACKAGES, WeightsNotFoundError, find_weights


def _tiny(name="test_efficientnet", **parameters):
    return TimmEmbedder(name, weights=tiny_timm_weights(name), **parameters)


def _normalised(images, model):
    """Normalise as in training; the images' sizes are those of the network's input."""
    config = model.pretrained_cfg
    x = (images / 255 - np.array(config["mean"])) / np.array(config["std"])
    return torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2)


def _slow_average(grid, side):
    """Mean of the square round every cell; outside of the grid is zero."""
    padded = np.pad(grid, [(side // 2, side // 2)] * 2 + [(0, 0)])
    height, width = grid.shape[:2]
    return np.array(
        [
            [padded[i : i + side, j : j + side].mean((0, 1)) for j in range(width)]
            for i in range(height)
        ]
    )


def _enlarge_twice(grid):
    """Bilinear interpolation at the centres of cells half the size."""
    for axis in (0, 1):
        before = np.concatenate([grid.take([0], axis), grid], axis)
        before = before.take(range(grid.shape[axis]), axis)
        after = np.concatenate([grid, grid.take([-1], axis)], axis)
        after = after.take(range(1, grid.shape[axis] + 1), axis)
        pair = [0.25 * before + 0.75 * grid, 0.75 * grid + 0.25 * after]
        shape = list(grid.shape)
        shape[axis] *= 2
        grid = np.stack(pair, axis + 1).reshape(shape)
    return grid


def test_convolutional_features_equal_those_of_timm():
    images = make_images(2, size=(64, 96))
    model = timm.create_model("test_resnet", features_only=True, out_indices=(2, 3))
    state = torch.load(tiny_timm_weights("test_resnet"))
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    with torch.no_grad():
        fine, coarse = model.eval()(_normalised(images, model))
    for number, features in enumerate(_tiny("test_resnet").transform(images)):
        expected = [
            _slow_average(grid[number].permute(1, 2, 0).numpy(), 3)
            for grid in (fine, coarse)
        ]
        expected = np.concatenate([expected[0], _enlarge_twice(expected[1])], 2)
        assert features.shape == (8, 12, expected.shape[2])
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)


def _hooked_tokens(model, images, block):
    """Tokens of a block after the last normalisation, without class and registers."""
    found = []
    handle = model.blocks[block].register_forward_hook(lambda *a: found.append(a[-1]))
    with torch.no_grad():
        model.eval()(_normalised(images, model))
        tokens = model.norm(found[0])[:, model.num_prefix_tokens :]
    handle.remove()
    return tokens.numpy()


@pytest.mark.parametrize("name", ["test_vit", "test_vit2", "test_vit4"])
def test_tokens_of_a_transformer_equal_those_of_timm(name):
    images = make_images(2, size=(160, 160))
    model = timm.create_model(name)
    model.load_state_dict(torch.load(tiny_timm_weights(name)))
    last = len(model.blocks) - 1
    for layers, blocks in [(None, [last]), ([-2], [last - 1]), ([-1, 0], [0, last])]:
        features = _tiny(name, layers=layers).transform(images)
        expected = [_hooked_tokens(model, images, block) for block in blocks]
        expected = np.concatenate(expected, 2).reshape(2, 10, 10, -1)
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_dinov2_as_its_authors_published_it(tmp_path):
    name = "vit_small_patch14_reg4_dinov2"
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=0, img_size=518)
    theirs = model.state_dict()
    theirs["register_tokens"] = theirs.pop("reg_token")
    theirs["mask_token"] = torch.zeros(1, 384)
    # Theirs has a position for the class token, which timm adds to the token.
    of_class = torch.randn(1, 1, 384)
    theirs["pos_embed"] = torch.cat([of_class, theirs["pos_embed"]], 1)
    theirs["cls_token"] = theirs["cls_token"] - of_class
    torch.save(theirs, tmp_path / "dinov2.pth")
    images = make_images(1, size=(518, 518))
    embedder = TimmEmbedder(name, weights=tmp_path / "dinov2.pth", layers=[1])
    expected = _hooked_tokens(model, images, 1).reshape(37, 37, 384)
    np.testing.assert_allclose(embedder.transform(images)[0], expected, atol=2e-4)


@pytest.mark.parametrize(
    "name", ["test_convnext", "test_mambaout", "test_nfnet", "test_byobnet"]
)
@pytest.mark.parametrize("size", [(33, 50), (96, 64)])
def test_further_architectures_take_any_size(name, size):
    (features,) = _tiny(name).transform(make_images(1, size=size))
    expected = tuple(max(1, round(side / 16)) * 2 for side in size)
    assert features.shape[:2] == expected
    assert np.isfinite(features.values).all()


@pytest.mark.parametrize(
    ("photograph", "classes"),
    [
        ("chelsea", {281, 282, 285}),  # tabby, tiger cat, Egyptian cat
        ("coffee", {504, 967, 968}),  # mug, espresso, cup
    ],
)
def test_weights_of_the_package_recognise_photographs(photograph, classes):
    """A tensor in the wrong place would not."""
    model = timm.create_model("tf_efficientnet_lite0").eval()
    embedder = TimmEmbedder()
    backbone = embedder._network()[0].model.state_dict()
    *_, weight, bias = torch.load(find_weights("efficientnet_lite0")).values()
    model.load_state_dict(
        {**backbone, "classifier.weight": weight, "classifier.bias": bias}
    )
    image = Image.fromarray(getattr(photographs, photograph)()).resize((224, 224))
    with torch.no_grad():
        logits = model(_normalised(np.asarray(image)[None], model))
    assert int(logits.argmax()) in classes


def test_weights_of_the_package_are_those_recorded():
    for name, package in PACKAGES.items():
        if package.path() is not None:
            embedder = TimmEmbedder(package.model_name, weights=name)
            embedder.fit(make_images(1))
            assert embedder.weights_sha256_ == package.sha256


@pytest.mark.parametrize("size", [(96, 96), (64, 200), (168, 72)])
@pytest.mark.parametrize("image_size", [None, 128, (160, 96)])
def test_map_peaks_on_a_bright_square(size, image_size):
    detector = PatchKNN(
        TimmEmbedder(image_size=image_size, layers=[2]),
        calibration=None,
        random_state=0,
    ).fit(make_images(8, size=size))
    image = make_images(1, size=size, seed=1)[0]
    for top, left in [(8, 8), (size[0] - 24, size[1] // 2), (size[0] // 2, 40)]:
        marked = image.copy()
        marked[top : top + 16, left : left + 16] = 255
        anomaly_map = detector.transform(marked[None])[0]
        peak = np.unravel_index(anomaly_map.argmax(), size)
        # One patch, in pixels of the image.
        if image_size is None:
            patch = (8, 8)
        elif image_size == 128:
            patch = (8 * min(size) / 128,) * 2
        else:
            patch = (8 * size[0] / 160, 8 * size[1] / 96)
        for where, start, one in zip(peak, (top, left), patch, strict=True):
            assert start - one <= where < start + 16 + one, (peak, top, left)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("bfloat16", 2e-2)])
def test_batch_matters_no_more_than_rounding(dtype, rtol):
    images = make_images(8, size=(64, 64))
    one = TimmEmbedder(dtype=dtype, batch_size=1).transform(images)
    for batch_size in (3, 8):
        more = TimmEmbedder(dtype=dtype, batch_size=batch_size).transform(images)
        scale = np.abs(one).max()
        np.testing.assert_allclose(more, one, rtol=rtol, atol=rtol * scale)


def test_bfloat16_is_close_to_float32():
    images = make_images(2, size=(96, 96))
    for name in ("test_vit", "test_efficientnet"):
        exact, rounded = (
            np.stack([item.rows for item in _tiny(name, dtype=dtype).transform(images)])
            for dtype in ("float32", "bfloat16")
        )
        cosine = (exact * rounded).sum(-1) / np.linalg.norm(exact, axis=-1)
        cosine /= np.linalg.norm(rounded, axis=-1)
        assert cosine.min() > 0.995


def test_images_are_resized_as_by_pillow():
    image = photographs.chelsea()
    network = TimmNetwork(timm.create_model("test_vit")).to("cpu", "float32")
    for shape in ((96, 128), (480, 608)):
        ours = network._as_input(image, shape, None)[0].permute(1, 2, 0).numpy()
        ours = ours * np.array(network.std) + np.array(network.mean)
        theirs = Image.fromarray(image).resize(shape[::-1], Image.Resampling.BICUBIC)
        difference = np.abs(ours * 255 - np.asarray(theirs, float))
        # Both round weights and intermediate results to integers, each in its way.
        assert difference.max() <= 2.01
        assert np.mean(difference > 1.01) < 1e-3


def test_kinds_of_pixels():
    images = make_images(2, size=(64, 64))
    expected = _tiny().transform(images)
    close = {"rtol": 0.05, "atol": 1e-4}
    alpha = np.dstack([images[0], np.full((64, 64), 7, np.uint8)])
    np.testing.assert_allclose(
        _tiny().transform(alpha[None])[0], expected[0], atol=1e-6
    )
    np.testing.assert_allclose(_tiny().transform(images / 255), expected, **close)
    twelve_bits = np.rint(images / 255 * 4095).astype(np.uint16)
    np.testing.assert_allclose(
        _tiny(data_range=4095).transform(twelve_bits), expected, **close
    )
    gray = images[..., 0]
    np.testing.assert_allclose(
        _tiny().transform(gray),
        _tiny().transform(np.stack([gray] * 3, -1)),
        atol=1e-6,  # the convolution adds up in another order
    )
    with pytest.warns(UserWarning, match=r"pixels go from .* to 2.*scale the images"):
        _tiny().transform(images.astype(np.float32))


def test_channels_that_are_no_colours():
    with pytest.raises(ValueError, match=r"1, 3 or 4 channels .* not 2"):
        _tiny().fit_transform(make_images(1, channels=2))


def test_image_size():
    image = make_images(1, size=(50, 100))
    for image_size, grid in [(None, (3, 6)), (64, (4, 8)), ((32, 80), (2, 5))]:
        assert (
            _tiny("test_vit", image_size=image_size).transform(image)[0].shape[:2]
            == grid
        )
    # Nothing is smaller than a patch.
    assert _tiny("test_vit", image_size=1).transform(image)[0].shape[:2] == (1, 1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_size": 0}, "image_size"),
        ({"image_size": (0, 32)}, r"image_size=\(0, 32\) is no size"),
        ({"image_size": (32, 32, 3)}, "is no size"),
        ({"image_size": [32.5, 32]}, "is no size"),
        ({"average": 2}, "average=2 is even"),
        (
            {"layers": [9]},
            r"layers=\[9\] has 9, but this network has the layers 0 to 4",
        ),
        ({"layers": [1.5]}, "has 1.5"),
        ({"layers": []}, "layers is empty"),
        ({"device": "tpu"}, "device='tpu' is not available"),
        ({"dtype": "float16"}, "dtype"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        _tiny(**parameters).fit_transform(make_images(1))


def test_cuda_is_asked_for_and_absent(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"'cuda:1' is not available.*device='auto'"):
        _tiny(device="cuda:1").fit(make_images(1))


def test_size_that_the_architecture_cannot_take():
    with pytest.raises(
        ValueError, match=r"test_maxvit cannot.*image_size=\(160, 160\)"
    ):
        _tiny("test_maxvit").fit_transform(make_images(1))
    embedder = _tiny("test_maxvit", image_size=(160, 160))
    assert embedder.fit_transform(make_images(1))[0].shape[:2] == (20, 20)


def test_unknown_model():
    with pytest.raises(
        ValueError, match=r"no model 'resnet5O': did you mean .*resnet50"
    ):
        TimmEmbedder("resnet5O").fit(make_images(1))


def test_weights_that_are_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("SKUAD_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    message = (
        rf"(?s)no weights 'resnet18.a1_in1k'.*{tmp_path}.*model\.safetensors of "
        r"https://huggingface\.co/timm/resnet18\.a1_in1k.*skuad weights add.*check"
    )
    with pytest.raises(WeightsNotFoundError, match=message):
        TimmEmbedder("resnet18.a1_in1k").fit(make_images(1))


def test_model_of_ones_own_without_published_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("SKUAD_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda name: None)
    with pytest.raises(WeightsNotFoundError, match="no weights 'test_vit'"):
        TimmEmbedder("test_vit").fit(make_images(1))


def test_weights_of_another_architecture(tmp_path):
    message = (
        r"test_vit\.pth is of another architecture: ResNet wants conv1\.0\.weight of "
        r"shape \(\d+, 3, 3, 3\), but the file lacks it"
    )
    with pytest.raises(ValueError, match=message):
        TimmEmbedder("test_resnet", weights=tiny_timm_weights("test_vit")).fit(
            make_images(1)
        )
    state = torch.load(tiny_timm_weights("test_resnet"))
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:-1]
    torch.save(state, tmp_path / "narrow.pth")
    with pytest.raises(
        ValueError, match=r"layer1\.0\.conv1\.weight of shape \(32, .*31,"
    ):
        TimmEmbedder("test_resnet", weights=tmp_path / "narrow.pth").fit(make_images(1))


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'TimmEmbedder needs torch.*"skuad\[timm\]"'):
        _tiny().fit(make_images(1))


def test_batches_shrink_where_memory_does_not_suffice(monkeypatch):
    images = make_images(10, size=(32, 32))
    expected = _tiny(batch_size=2).transform(images)
    grids, sizes = TimmNetwork.grids, []

    def hungry(self, x, layers):
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return grids(self, x, layers)

    monkeypatch.setattr(TimmNetwork, "grids", hungry)
    monkeypatch.setattr("skuad.utils._torch._fitting_sizes", {})
    with pytest.warns(RuntimeWarning, match="batches of 2. Set batch_size=2") as caught:
        found = _tiny(batch_size=4).transform(images)
    assert len(caught) == 1
    assert sizes == [4, 2, 2, 2, 2, 2]
    np.testing.assert_array_equal(found, expected)


def test_threads_share_one_network(monkeypatch):
    built = []

    def build(*args):
        built.append(args)
        return build_timm_network(*args)

    monkeypatch.setattr(
        "skuad.feature_extraction._timm_embedder.build_timm_network", build
    )
    forget_networks()
    images = make_images(1, size=(32, 32))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _tiny().transform(images)[0], range(8)))
    assert len(built) == 1
    for features in found:
        np.testing.assert_array_equal(features, found[0])


def _count_embedded(monkeypatch):
    embed, counts = PatchNetwork.embed, []

    def counted(self, images, *args, **kwargs):
        counts.append(len(images))
        return embed(self, images, *args, **kwargs)

    monkeypatch.setattr(PatchNetwork, "embed", counted)
    return counts


def test_every_image_is_embedded_once_in_a_search(monkeypatch, tmp_path):
    from sklearn.model_selection import GridSearchCV, KFold

    counts = _count_embedded(monkeypatch)
    detector = PatchKNN(
        _tiny(memory=tmp_path), coreset="random", calibration=None, random_state=0
    )
    search = GridSearchCV(
        detector,
        {"n_neighbors": [1, 2], "pool": ["max", 0.1]},
        cv=KFold(2),
        scoring=lambda estimator, X, y=None: estimator.score_samples(X).mean(),
    )
    search.fit(make_images(6, size=(32, 32)))
    assert sum(counts) == 6


def test_what_the_cache_depends_on(monkeypatch, tmp_path):
    counts = _count_embedded(monkeypatch)
    images = make_images(2, size=(32, 32))
    copy = tmp_path / "copy.pth"
    copy.write_bytes(Path(tiny_timm_weights("test_vit")).read_bytes())
    other = tmp_path / "other.pth"
    state = torch.load(copy)
    state["cls_token"] += 1
    torch.save(state, other)

    def embedded(**parameters):
        del counts[:]
        embedder = TimmEmbedder("test_vit", **parameters).set_params(memory=tmp_path)
        embedder.fit_transform(images)
        return sum(counts)

    weights = tiny_timm_weights("test_vit")
    assert embedded(weights=weights) == 2
    for same in (
        {"device": "cpu"},
        {"dtype": "float32"},
        {"batch_size": 1},
        {"store_weights": True},
        {"weights": copy},
    ):
        assert embedded(**{"weights": weights, **same}) == 0
    for different in ({"dtype": "bfloat16"}, {"layers": [0]}, {"weights": other}):
        assert embedded(**{"weights": weights, **different}) == 2


def test_merge_is_the_mean_of_layers():
    images = make_images(2, size=(64, 64))
    mean = _tiny("test_vit", layers=[0, 2], merge="mean").transform(images)
    both = _tiny("test_vit", layers=[0, 2]).transform(images)
    for one, other in zip(mean, both, strict=True):
        width = one.shape[2]
        expected = (other.values[..., :width] + other.values[..., width:]) / 2
        np.testing.assert_allclose(one.values, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"merge='mean'.*\[\d+, \d+\].*other layers"):
        _tiny(layers=[1, 3], merge="mean").fit_transform(images)
