import copy
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch.nn import functional

from skuad.detectors import OpenCLIPPromptScore, RegionOfInterest, Tiled
from skuad.detectors._openclip_prompts import prompt_ensemble, text_features
from skuad.detectors._openclip_windows import (
    image_and_patch_features,
    mean_over_windows,
    window_numbers,
)
from skuad.feature_extraction import OpenCLIPEmbedder, upsample_map
from skuad.utils._testing_images import make_images
from skuad.utils._testing_openclip import MODELS, tiny_openclip

MEAN = np.array(open_clip.OPENAI_DATASET_MEAN)
STD = np.array(open_clip.OPENAI_DATASET_STD)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("openclip"))


@pytest.fixture(scope="module", autouse=True)
def _registered(folder):
    for kind in MODELS:
        open_clip.add_model_config(tiny_openclip(kind, folder)["model_name"])


def _library(kind, folder):
    """The model as the library builds and loads it."""
    files = tiny_openclip(kind, folder)
    name = Path(files["model_name"]).stem
    return open_clip.create_model(name, pretrained=files["pretrained"]).eval()


def _detector(kind, folder, **parameters):
    return OpenCLIPPromptScore(**tiny_openclip(kind, folder), **parameters)


def _network(kind, folder):
    return (
        OpenCLIPEmbedder(**tiny_openclip(kind, folder)).record_weights()._network()[0]
    )


def _normalised(images):
    x = (np.asarray(images) / 255 - MEAN) / STD
    return torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2)


def _slow_text_features(model, sets):
    tokenize = open_clip.get_tokenizer("ViT-B-16")
    features = []
    for texts in sets:
        vectors = [
            model.encode_text(tokenize([text]), normalize=True) for text in texts
        ]
        features.append(functional.normalize(sum(vectors), dim=-1)[0])
    return torch.stack(features)


def _slow_share(feature, texts):
    similarities = functional.cosine_similarity(feature[None], texts)
    return float((similarities / 0.07).softmax(0)[1])


class _Select(torch.nn.Module):
    """Leave out all tokens but these, in the place of the library's patch dropout."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers = numbers

    def forward(self, tokens):
        return tokens[:, self.numbers]


def test_the_ensemble_is_that_of_the_paper():
    prompts = prompt_ensemble("metal nut")
    # 7 and 4 states in 22 templates.
    assert len(set(prompts["normal"])) == 7 * 22
    assert len(set(prompts["anomalous"])) == 4 * 22
    assert "a photo of a flawless metal nut for visual inspection." in prompts["normal"]
    assert "a cropped photo of the metal nut." in prompts["normal"]
    assert "a blurry photo of the damaged metal nut." in prompts["anomalous"]
    assert "a dark photo of a metal nut with flaw." in prompts["anomalous"]


@pytest.mark.parametrize("kind", ["vit", "vit-quickgelu", "timm-convnext"])
@torch.no_grad()
def test_texts_are_encoded_as_by_the_library(kind, folder):
    detector = _detector(kind, folder, class_name="nut").fit(None)
    sets = prompt_ensemble("nut").values()
    expected = _slow_text_features(_library(kind, folder), sets)
    np.testing.assert_allclose(detector.text_features_, expected, atol=1e-5)
    assert detector.text_features_.dtype == np.float32


@torch.no_grad()
def test_maps_are_those_of_windows_seen_one_by_one(folder):
    images = make_images(2, size=(64, 64))
    detector = _detector("vit", folder).fit(None)
    model = _library("vit", folder)
    texts = torch.tensor(detector.text_features_)
    for image, anomaly_map, score in zip(
        images, detector.transform(images), detector.score_samples(images), strict=True
    ):
        x = _normalised([image])
        of_image = _slow_share(model.encode_image(x)[0], texts)
        assert of_image == pytest.approx(-score, rel=1e-4)
        inverse = np.full((8, 8), 1 / of_image)
        for side in (2, 3):
            shares = [[[] for _ in range(8)] for _ in range(8)]
            for top in range(8 - side + 1):
                for left in range(8 - side + 1):
                    rows = [(top + i) * 8 for i in range(side)]
                    inside = [1 + r + left + j for r in rows for j in range(side)]
                    model.visual.patch_dropout = _Select([0, *inside])
                    share = _slow_share(model.encode_image(x)[0], texts)
                    for number in inside:
                        shares[(number - 1) // 8][(number - 1) % 8].append(1 / share)
            model.visual.patch_dropout = torch.nn.Identity()
            inverse += [[np.mean(cell) for cell in row] for row in shares]
        expected = upsample_map(3 / inverse, (64, 64))
        np.testing.assert_allclose(anomaly_map, expected, rtol=1e-5)


def test_harmonic_mean_over_the_windows_round_a_patch():
    shares = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(0)) + 0.1
    means = mean_over_windows(shares, (5, 7))
    for i in range(5):
        for j in range(7):
            round_it = shares[:, max(0, i - 1) : i + 1, max(0, j - 1) : j + 1]
            expected = 1 / (1 / round_it).mean((1, 2))
            np.testing.assert_allclose(means[:, i, j], expected, rtol=1e-5)


def test_windows_are_no_larger_than_the_grid():
    numbers, shape = window_numbers((2, 3), 9)
    assert numbers == [[0, 1, 2, 3, 4, 5]]
    assert shape == (1, 1)


@pytest.mark.parametrize("kind", ["vit", "vit-coca"])
@torch.no_grad()
def test_patches_of_a_vit_are_seen_by_values_that_attend_to_values(kind, folder):
    x = _normalised(make_images(2, size=(64, 64)))
    visual = _library(kind, folder).visual
    of_image, (of_patches,) = image_and_patch_features(_network(kind, folder), x, [])
    np.testing.assert_allclose(of_image, visual(x), rtol=1e-4, atol=1e-5)

    states = [visual._embeds(x)]
    for block in visual.transformer.resblocks:
        states.append(block(states[-1]))
    local = states[2]
    for block, tokens in zip(
        visual.transformer.resblocks[2:], states[2:], strict=False
    ):
        # The library's own attention, with queries and keys that are the values.
        attention = copy.deepcopy(block.attn)
        for weight in (attention.in_proj_weight, attention.in_proj_bias):
            weight.data = weight.chunk(3)[2].repeat(3, *[1] * (weight.ndim - 1))
        y = block.ln_1(tokens)
        local = local + attention(y, y, y)[0]
    for patch in (0, 27, 63):
        # An image all of whose patches are this one.
        alone = local[:, 1 + patch : 2 + patch].expand(-1, 65, -1)
        expected = visual._pool(alone)[0] @ visual.proj
        found = of_patches[:, patch // 8, patch % 8]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["resnet", "timm-vit", "timm-convnext"])
@torch.no_grad()
def test_patches_of_other_towers_are_seen_as_if_they_filled_the_image(kind, folder):
    x = _normalised(make_images(2, size=(64, 96)))
    network = _network(kind, folder)
    of_image, (of_patches,) = image_and_patch_features(network, x, [])
    assert of_patches.shape == (
        2,
        64 // of_stride(network),
        96 // of_stride(network),
        24,
    )
    tower = network.tower((64, 96))
    np.testing.assert_allclose(of_image, tower(x), rtol=1e-4, atol=1e-5)
    if kind == "resnet":
        grid = tower.forward_intermediates(x, indices=[4])["image_intermediates"][0]
        filled = grid[:, :, 1:2, 2:3].expand_as(grid)
        pooling = copy.deepcopy(tower.attnpool)
        pooling.positional_embedding.data[:] = 0
        expected = pooling(filled)
    elif kind == "timm-vit":
        tokens = tower.trunk.forward_features(x)
        number = tower.trunk.num_prefix_tokens + 1 * 6 + 2
        filled = tokens[:, number : number + 1].expand_as(tokens)
        expected = tower.head(tower.trunk.forward_head(filled))
    else:
        grid = tower.trunk.forward_features(x)
        filled = grid[:, :, 1:2, 2:3].expand_as(grid)
        expected = tower.head(tower.trunk.forward_head(filled))
    np.testing.assert_allclose(of_patches[:, 1, 2], expected, rtol=1e-4, atol=1e-5)


def of_stride(network):
    return max(network.reductions)


def test_without_images_maps_and_scores_work_but_decisions_do_not(folder):
    images = make_images(2)
    detector = _detector("vit", folder)
    for method in (detector.transform, detector.score_samples, detector.predict):
        with pytest.raises(NotFittedError):
            method(images)
    detector.fit(None)
    assert detector.transform(images).shape == (2, 48, 56)
    # Any kind of image will do: none was seen.
    assert detector.transform(images[..., 0]).shape == (2, 48, 56)
    with pytest.raises(
        ValueError, match=r"fitted without images.*fit it on good images"
    ):
        detector.predict(images)


def test_the_threshold_is_that_of_the_good_images(folder):
    images = make_images(9)
    detector = _detector("vit", folder, windows=None, false_alarm_rate=0.1).fit(images)
    expected = detector.fit(None).score_samples(images).min()
    assert detector.fit(images).offset_ == pytest.approx(expected)
    y = np.ones(9)
    y[np.argmin(detector.score_samples(images))] = -1
    assert detector.fit(images, y).offset_ > expected


def test_inside_of_other_detectors(folder):
    images = make_images(4)
    inner = _detector("vit", folder, windows=None, image_size=(32, 32), pool="max")
    tiled = Tiled(inner, tile=32, false_alarm_rate=0.2).fit(images)
    assert tiled.transform(images).shape == images.shape[:3]
    roi = np.zeros(images.shape[1:3], bool)
    roi[:20] = True
    found = RegionOfInterest(inner, roi, false_alarm_rate=0.2).fit(images)
    maps = found.transform(images)
    assert np.all(maps[:, 20:] == 0) and np.all(maps[:, :20] > 0)
    np.testing.assert_allclose(
        -found.score_samples(images), maps.max((1, 2)), rtol=1e-6
    )


@pytest.mark.parametrize("pool", ["image", "both"])
def test_with_a_region_the_highest_value_inside_is_the_score(folder, pool):
    inner = _detector("vit", folder, windows=None, image_size=(32, 32), pool=pool)
    images = make_images(4, size=(64, 64))
    roi = np.zeros((64, 64), bool)
    roi[:, :32] = True
    found = RegionOfInterest(inner, roi, calibration=None).fit(images)
    maps = found.transform(images)
    np.testing.assert_allclose(-found.score_samples(images), maps.max(axis=(1, 2)))


def test_pool(folder):
    images = make_images(3)
    detector = _detector("vit", folder, windows=None).fit(None)
    of_image, both, highest, mean = (
        -detector.set_params(pool=pool).score_samples(images)
        for pool in ("image", "both", "max", "mean")
    )
    maps = detector.transform(images)
    np.testing.assert_allclose(highest, maps.max((1, 2)))
    np.testing.assert_allclose(mean, maps.mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(both, (highest + of_image) / 2)
    assert not np.allclose(of_image, highest)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"normal_prompts": []}, "normal_prompts is empty"),
        ({"anomalous_prompts": ["bad", " "]}, "anomalous_prompts=.*an empty text"),
        ({"anomalous_prompts": [3]}, "anomalous_prompts=.*no list of texts"),
        ({"normal_prompts": "good"}, "normal_prompts"),
        ({"class_name": ""}, "class_name is empty"),
        ({"windows": [0]}, "windows=.*above 0"),
        ({"pool": "median"}, "'pool' parameter"),
    ],
)
def test_bad_parameters(folder, parameters, message):
    with pytest.raises(ValueError, match=message):
        _detector("vit", folder, **parameters).fit(None)


def test_windows_of_a_tower_that_cannot_leave_tokens_out(folder):
    with pytest.raises(ValueError, match=r"is a ModifiedResNet.*windows=None"):
        _detector("resnet", folder, windows=[2]).fit(None)


def test_one_set_of_prompts_may_be_ones_own(folder):
    detector = _detector("vit", folder, anomalous_prompts=("a nut with a scratch",))
    prompts = detector.fit(None).prompts_
    assert prompts["anomalous"] == ["a nut with a scratch"]
    assert len(prompts["normal"]) == 7 * 22


def test_a_tokenizer_that_is_not_there(folder, tmp_path, monkeypatch):
    """Nothing is downloaded, and the message says what to do."""
    files = tiny_openclip("vit", folder)
    config = json.loads(Path(files["model_name"]).read_text())
    config["text_cfg"] = {**config["text_cfg"], "hf_tokenizer_name": "some/tokenizer"}
    path = tmp_path / "open_clip_config.json"
    path.write_text(json.dumps({"model_cfg": config}))
    detector = OpenCLIPPromptScore(path, files["pretrained"])

    def absent(name, **options):
        assert options == {"local_files_only": True}
        assert name == f"local-dir:{tmp_path}"
        raise error

    monkeypatch.setattr(open_clip, "get_tokenizer", absent)
    error = OSError("no such file")
    with pytest.raises(OSError, match=r"some/tokenizer.*not in the local cache"):
        detector.fit(None)
    error = ImportError("transformers")
    with pytest.raises(ImportError, match="pip install transformers"):
        detector.fit(None)


def test_weights_without_text_are_told(folder, tmp_path):
    files = tiny_openclip("vit", folder)
    tensors = torch.load(files["pretrained"], weights_only=True)
    tower = {k: v for k, v in tensors.items() if k.startswith("visual.")}
    torch.save(tower, tmp_path / "tower.pt")
    source = OpenCLIPEmbedder(
        files["model_name"], tmp_path / "tower.pt"
    ).record_weights()
    with pytest.raises(ValueError, match="CLIP wants positional_embedding"):
        text_features(
            [["good"]], files["model_name"], source.config_, source._weights_source()
        )


@pytest.mark.parametrize("kind", ["vit", "resnet", "timm-vit"])
def test_bfloat16_is_within_2_percent(kind, folder):
    images = make_images(2)
    exact, rough = (
        _detector(kind, folder, dtype=dtype).fit(None).transform(images)
        for dtype in ("float32", "bfloat16")
    )
    np.testing.assert_allclose(rough, exact, atol=2e-2)
    assert np.any(rough != exact)
