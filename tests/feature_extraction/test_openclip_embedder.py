import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch.nn import functional

from skuad.detectors import PatchKNN
from skuad.feature_extraction import OpenCLIPEmbedder
from skuad.feature_extraction._openclip_config import (
    find_openclip_weights,
    read_openclip_config,
)
from skuad.utils._testing_images import make_images
from skuad.utils._testing_openclip import MODELS, tiny_openclip
from skuad.utils._torch import forget_networks
from skuad.weights import WeightsNotFoundError

MEAN = np.array(open_clip.OPENAI_DATASET_MEAN)
STD = np.array(open_clip.OPENAI_DATASET_STD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("openclip"))


@pytest.fixture(scope="module", autouse=True)
def _registered(folder):
    """Make the tiny models known to open_clip, for the independent route."""
    for kind in MODELS:
        open_clip.add_model_config(tiny_openclip(kind, folder)["model_name"])


def _library(kind, folder, **kwargs):
    """The model as the library builds and loads it."""
    files = tiny_openclip(kind, folder)
    name = Path(files["model_name"]).stem
    model = open_clip.create_model(name, pretrained=files["pretrained"], **kwargs)
    return model.eval()


def _embed(kind, folder, images, **parameters):
    embedder = OpenCLIPEmbedder(**tiny_openclip(kind, folder), **parameters)
    return [item.values for item in embedder.fit(images).transform(images)]


def _normalised(images):
    x = (np.asarray(images) / 255 - MEAN) / STD
    return torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2)


def _hooked(module, run):
    """What a part of the model gives while it runs."""
    outputs = []
    hook = module.register_forward_hook(lambda *args: outputs.append(args[2]))
    with torch.no_grad():
        run()
    hook.remove()
    return outputs[0]


@pytest.mark.parametrize("kind", ["vit", "vit-quickgelu"])
def test_last_tokens_of_a_vit_equal_those_of_the_library(kind, folder):
    images = make_images(2, size=(64, 64))
    model = _library(kind, folder)
    model.visual.output_tokens = True
    with torch.no_grad():
        _, tokens = model.encode_image(_normalised(images))
    for values, expected in zip(
        _embed(kind, folder, images, layers=[-1]), tokens, strict=True
    ):
        np.testing.assert_allclose(
            values, expected.reshape(8, 8, 32), rtol=1e-4, atol=1e-5
        )


def test_quickgelu_is_another_network_than_gelu(folder):
    images = make_images(1, size=(64, 64))
    both = [_embed(k, folder, images, layers=[-1])[0] for k in ("vit", "vit-quickgelu")]
    # Other configuration, same weights: nothing is shared by mistake.
    assert np.abs(both[0] - both[1]).max() > 0.01


@pytest.mark.parametrize("kind", ["vit", "vit-coca"])
def test_tokens_of_blocks_equal_those_seen_by_hooks(kind, folder):
    images = make_images(2, size=(64, 64))
    visual = _library(kind, folder).visual
    tokens = [
        _hooked(visual.transformer.resblocks[i], lambda: visual(_normalised(images)))
        for i in (1, 2)
    ]
    if kind == "vit":  # CoCa's last norm is one of pooled tokens
        tokens = [visual.ln_post(token) for token in tokens]
    expected = torch.cat(tokens, 2)[:, 1:].reshape(2, 8, 8, 64).detach()
    # The default of four blocks: half and three quarters.
    np.testing.assert_allclose(
        _embed(kind, folder, images), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("size", [(96, 64), (64, 160), (40, 104), (128, 128)])
def test_a_vit_of_another_size_is_that_which_the_library_makes(folder, size):
    images = make_images(1, size=size)
    model = _library("vit", folder, force_image_size=size)
    model.visual.output_tokens = True
    with torch.no_grad():
        _, tokens = model.encode_image(_normalised(images))
    (values,) = _embed("vit", folder, images, layers=[-1])
    expected = tokens[0].reshape(size[0] // 8, size[1] // 8, 32)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(160, 160), (96, 64)])
def test_tokens_of_a_timm_tower_equal_those_of_timm(folder, size):
    images = make_images(1, size=size)
    trunk = _library("timm-vit", folder, force_image_size=size).visual.trunk
    with torch.no_grad():
        tokens = trunk.forward_features(_normalised(images))[0]
    tokens = tokens[trunk.num_prefix_tokens :]
    (values,) = _embed("timm-vit", folder, images, layers=[-1])
    expected = tokens.reshape(size[0] // 16, size[1] // 16, -1)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layer", "name"), [(2, "layer2"), (3, "layer3")])
def test_stages_of_a_resnet_equal_those_seen_by_hooks(folder, layer, name):
    images = make_images(1, size=(64, 64))
    visual = _library("resnet", folder).visual
    stage = _hooked(getattr(visual, name), lambda: visual(_normalised(images)))[0]
    (values,) = _embed("resnet", folder, images, layers=[layer], average=1)
    np.testing.assert_allclose(values, stage.permute(1, 2, 0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["resnet", "timm-convnext"])
def test_a_convolutional_tower_gives_strides_8_and_16(kind, folder):
    (values,) = _embed(kind, folder, make_images(1, size=(96, 64)))
    assert values.shape[:2] == (12, 8)


@pytest.mark.parametrize("size", [(128, 128), (64, 192), (200, 72), (133, 90)])
def test_a_bright_square_peaks_where_it_is(folder, size):
    good = make_images(6, size=size)
    bad = good[:1].copy()
    y, x = size[0] // 4, size[1] // 2
    bad[0, y : y + 24, x : x + 24] = 255
    embedder = OpenCLIPEmbedder(**tiny_openclip("vit", folder), layers=[0])
    detector = PatchKNN(embedder, calibration=None, random_state=0).fit(good)
    peak = np.unravel_index(detector.transform(bad)[0].argmax(), size)
    assert y - 8 <= peak[0] < y + 32
    assert x - 8 <= peak[1] < x + 32


def test_threads_do_not_disturb_each_other(folder):
    """Inputs of several sizes go through one network at the same time."""
    images = [make_images(1, size=s)[0] for s in [(64, 64), (96, 64), (64, 128)]] * 4
    embedder = OpenCLIPEmbedder(**tiny_openclip("vit", folder)).fit(images[:1])
    expected = [embedder.transform([image])[0].values for image in images]
    forget_networks()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: embedder.transform([image])[0], images))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.values, other)


def test_only_the_image_tower_is_kept_and_sizes_share_its_weights(folder):
    embedder = OpenCLIPEmbedder(**tiny_openclip("vit", folder))
    network, _ = embedder.fit(make_images(1))._network()
    other = network.tower((96, 64))
    own = dict(network.model.named_parameters())
    assert "token_embedding.weight" not in own
    for name, parameter in other.named_parameters():
        is_shared = parameter.data_ptr() == own[name].data_ptr()
        assert is_shared == (name != "positional_embedding"), name
    assert network.tower((96, 64)) is other
    for side in range(64, 64 + 20 * 8, 8):
        network.tower((side, 64))
    assert len(network._towers) <= 8


def test_bfloat16_is_within_2_percent(folder):
    images = make_images(2, size=(64, 64))
    exact, rough = (
        np.array(_embed("vit", folder, images, dtype=dtype))
        for dtype in ("float32", "bfloat16")
    )
    assert rough.dtype == np.float32
    assert np.linalg.norm(exact - rough) < 2e-2 * np.linalg.norm(exact)
    assert np.any(exact != rough)


def test_an_image_is_resized_whole_by_antialiased_bicubic(folder):
    image = make_images(1, size=(100, 150))[0]
    x = torch.tensor(image).permute(2, 0, 1)[None].double()
    x = functional.interpolate(x, (64, 96), mode="bicubic", antialias=True)
    small = x[0].permute(1, 2, 0).round().clamp(0, 255).numpy().astype(np.uint8)
    values, expected = (
        _embed("vit", folder, [one], image_size=64, layers=[0])[0]
        for one in (image, small)
    )
    assert values.shape[:2] == (8, 12)
    assert np.abs(values - expected).max() < 0.1


def test_cached_features_know_the_configuration(folder, tmp_path):
    images = make_images(1, size=(64, 64))
    files = tiny_openclip("vit", folder)
    config = tmp_path / "model.json"
    features = []
    for quick_gelu in (False, True):
        content = json.loads(Path(files["model_name"]).read_text())
        config.write_text(json.dumps({**content, "quick_gelu": quick_gelu}))
        embedder = OpenCLIPEmbedder(config, files["pretrained"], memory=tmp_path)
        features.append(embedder.fit_transform(images)[0].values)
    assert np.any(features[0] != features[1])


def test_a_configuration_of_the_hub_names_mean_and_std(folder, tmp_path):
    model = json.loads(Path(tiny_openclip("vit", folder)["model_name"]).read_text())
    config = tmp_path / "open_clip_config.json"
    preprocessing = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    config.write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocessing}))
    found = read_openclip_config(config, "any")
    assert found == {"model": model, **preprocessing}


@pytest.mark.parametrize(
    ("model_name", "pretrained", "quick_gelu", "mean"),
    [
        ("ViT-B-32", "openai", True, MEAN[0]),
        ("ViT-B-32", "laion2b_s34b_b79k", False, MEAN[0]),
        ("ViT-B-32-quickgelu", "some.pt", True, MEAN[0]),
        ("ViT-B/16", "some.pt", False, MEAN[0]),
        ("roberta-ViT-B-32", "laion2b_s12b_b32k", True, MEAN[0]),
        ("ViT-B-16-SigLIP", "webli", False, 0.5),
        ("ViT-B-16-SigLIP", "some.pt", False, 0.5),
    ],
)
def test_activation_and_mean_are_those_of_training(
    model_name, pretrained, quick_gelu, mean
):
    config = read_openclip_config(model_name, pretrained)
    assert config["model"].get("quick_gelu", False) == quick_gelu
    assert config["mean"][0] == mean


def test_tags_are_found_in_skuads_folder_and_in_the_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("SKUAD_WEIGHTS", str(tmp_path / "skuad"))
    monkeypatch.setenv("HOME", str(tmp_path))
    hub = {}
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda *name: hub.get(name)
    )
    (tmp_path / "skuad").mkdir()
    clip = tmp_path / ".cache" / "clip"
    clip.mkdir(parents=True)

    name, tag = "ViT-B-32", "laion2b_e16"
    with pytest.raises(WeightsNotFoundError, match=r"timm/|mlfoundations"):
        find_openclip_weights(name, tag)
    downloaded = clip / "vit_b_32-laion2b_e16-af8dbd0c.pth"
    downloaded.touch()
    assert find_openclip_weights(name, tag) == downloaded

    tag = "laion2b_s34b_b79k"
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    with pytest.raises(WeightsNotFoundError, match=f"{repository}. Nothing is downl"):
        find_openclip_weights(name, tag)
    hub[repository, "open_clip_pytorch_model.bin"] = str(tmp_path / "hub.bin")
    assert find_openclip_weights(name, tag) == tmp_path / "hub.bin"
    mine = tmp_path / "skuad" / f"{name}.{tag}.safetensors"
    mine.touch()
    assert find_openclip_weights(name, tag) == mine


@pytest.mark.parametrize(
    ("name", "near"), [("vit-b-17", "ViT-B-16"), ("RN50x5", "RN50x4")]
)
def test_unknown_model_names_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"no model '{name}': did you mean.*{near}"):
        OpenCLIPEmbedder(name, "x").fit(make_images(1))


def test_unknown_tag_names_the_nearest():
    with pytest.raises(WeightsNotFoundError, match="such as laion2b_s34b_b88k"):
        OpenCLIPEmbedder("ViT-B-16", "laion2b_s34b_b8k").fit(make_images(1))


def test_weights_of_another_architecture_are_told_by_the_first_difference(folder):
    files = tiny_openclip("resnet", folder)
    embedder = OpenCLIPEmbedder(
        tiny_openclip("vit", folder)["model_name"], files["pretrained"]
    )
    with pytest.raises(ValueError, match=r"another architecture.*class_embedding"):
        embedder.fit(make_images(1))


def test_truncated_weights(folder, tmp_path):
    files = tiny_openclip("vit", folder)
    content = Path(files["pretrained"]).read_bytes()
    (tmp_path / "half.pt").write_bytes(content[: len(content) // 2])
    embedder = OpenCLIPEmbedder(files["model_name"], tmp_path / "half.pt")
    with pytest.raises(ValueError, match=r"half.pt cannot be read.*truncated"):
        embedder.fit(make_images(1))


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "no JSON file"), ("[]", "lacks 'embed_dim'"), ('{"a": 1}', "lacks 'embed")],
)
def test_broken_configuration(tmp_path, content, message):
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_openclip_config(path, "x")


def test_stored_weights_and_configuration_need_no_file(folder, tmp_path):
    images = make_images(1, size=(64, 64))
    files = tiny_openclip("vit", folder)
    files = {key: shutil.copy(path, tmp_path) for key, path in files.items()}
    embedder = OpenCLIPEmbedder(**files, store_weights=True).fit(images)
    expected = embedder.transform(images)[0].values
    for path in files.values():
        Path(path).unlink()
    forget_networks()
    np.testing.assert_array_equal(embedder.transform(images)[0].values, expected)


def test_without_open_clip_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ImportError, match=r"OpenCLIPEmbedder needs open_clip.*\[openc"):
        OpenCLIPEmbedder(**tiny_openclip("vit", folder)).fit(make_images(1))
