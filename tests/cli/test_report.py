import json
import os
import re
import shutil

import numpy as np
import pytest

from skuad.cli import main
from skuad.datasets import make_defect_images
from skuad.io import write_image
from skuad.weights._digest import read_sha256

RATE = ("--false-alarm-rate", "0.1")
QUICK = ("--resamples", "20")


@pytest.fixture(scope="module")
def made(tree, tmp_path_factory):
    """Folder of a benchmark's results."""
    out = tmp_path_factory.mktemp("benchmark") / "out"
    command = ["benchmark", "mvtec_ad", str(tree), "--category", "part", *RATE]
    assert main([*command, "--out", str(out)]) == 0
    return out


@pytest.fixture
def result(made, tmp_path):
    return shutil.copytree(made, tmp_path / "result")


def data_of(page):
    """Read what the page counts with."""
    block = re.search(r'<script type="application/json".*?>(.*?)</script>', page)
    return json.loads(block[1])


def test_report_of_a_benchmark(run, result, tmp_path):
    code, out, err = run("report", result, *QUICK)
    assert (code, err) == (0, "")
    assert re.match(r"report +.*report\.html \([\d.]+ [kM]B\)\n$", out)
    page = (result / "report.html").read_text(encoding="utf-8")
    with open(result / "results.json") as file:
        category = json.load(file)["categories"]["part"]
    for name in ("image_roc_auc", "pixel_roc_auc", "aupro"):
        assert f"<td>{category[name]:.3f}<small>" in page
    assert f"<td>{category['n_false_alarms']} of 2<small>" in page
    assert f"<td>{category['n_detected']} of 3<small>" in page
    assert read_sha256(result / "models" / "part.joblib") in page
    with open(result / "predictions.jsonl") as file:
        lines = [json.loads(line) for line in file]
    data = data_of(page)
    assert data["scores"] == pytest.approx([line["score"] for line in lines])
    assert data["types"] == [line["defect_type"] for line in lines]
    assert data["start"] == category["threshold"]
    before = sorted(os.listdir(result))  # with report.html
    code, out, _ = run(
        *("report", result, "--out", tmp_path / "r.html", "--examples", "1"),
        *("--title", "Line <3>", *QUICK),
    )
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert (code, page.count('<figure class="picture"')) == (0, 2)
    assert "<h1>Line &lt;3&gt;</h1>" in page
    code, out, _ = run("report", result, "--json", *QUICK)
    assert json.loads(out) == {"report": str(result / "report.html"), "n_failed": 0}
    assert sorted(os.listdir(result)) == before


def test_report_of_the_demo(run, tmp_path, monkeypatch):
    def smaller(texture, *, random_state):
        sizes = {"n_train": 9, "n_good": 2, "n_defective": 3, "size": 64}
        return make_defect_images(texture, random_state=random_state, **sizes)

    monkeypatch.setattr("skuad.cli._demo.make_defect_images", smaller)
    monkeypatch.chdir(tmp_path)
    assert run("demo", "--texture", "brushed", "weave")[0] == 0
    code, _, err = run("report", "skuad-demo", *QUICK)
    assert (code, err) == (0, "")
    page = (tmp_path / "skuad-demo" / "report.html").read_text(encoding="utf-8")
    assert page.count('<section class="category"') == 2
    assert "mean or sum" in page


@pytest.mark.parametrize("category", [[], ["--category", "mine"]])
def test_report_of_a_folder_without_masks(run, tree, tmp_path, category):
    root = tmp_path / "photos" / "mine"
    shutil.copytree(tree / "part" / "train" / "good", root / "OK")
    shutil.copytree(tree / "part" / "test" / "stain", root / "bad")
    place = root.parent if category else root
    out = tmp_path / "out"
    assert run("benchmark", "folder", place, *category, "--out", out, *RATE)[0] == 0
    code, _, err = run("report", out)
    assert (code, err) == (0, "")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "image AUROC" in page and "AUPRO</th>" not in page
    assert data_of(page)["labels"] == [1, 1, 1, -1]


def test_an_image_that_is_damaged_since_is_told(run, made, tree, tmp_path):
    root, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(tree, root)
    command = ("benchmark", "mvtec_ad", root, "--category", "part", "--out", out)
    assert run(*command, *RATE)[0] == 0
    folder = root / "part" / "test" / "good"
    first, second = sorted(folder.iterdir())
    first.write_bytes(b"")
    write_image(second, np.full((64, 64, 3), 255, np.uint8))
    code, _, err = run("report", out, *QUICK)
    assert code == 1
    assert f"error: {first}: " in err and "is empty" in err
    assert "1 image of 'part' has another score than in predictions.jsonl" in err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert sorted(data_of(page)["labels"]) == [-1, -1, -1, 1]
    for path in (root / "part" / "test").rglob("*.png"):
        path.write_bytes(b"")
    code, _, err = run("report", out, *QUICK)
    assert code == 2 and "no test image of 'part' can be read" in err


def test_what_is_no_result(fails, result, tmp_path, monkeypatch):
    assert "there is no folder" in fails("report", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no results.json" in fails("report", tmp_path / "empty")
    assert "give 0 or more" in fails("report", result, "--resamples", "-1")
    message = fails("report", result, "--out", tmp_path)
    assert "is a folder" in message and "report.html" in message
    text = (result / "results.json").read_text()
    for wrong in ("{", "[]", "{}", '{"categories": {}, "data": {}}'):
        (result / "results.json").write_text(wrong)
        assert "is not what `skuad benchmark` wrote" in fails("report", result)
    (result / "results.json").write_text(text)
    lines = (result / "predictions.jsonl").read_text()
    (result / "predictions.jsonl").write_text('{"path": "a.png", "score": 1.0}\n')
    message = fails("report", result)  # `skuad infer` has written here since
    assert "predictions.jsonl' is not what `skuad benchmark` wrote" in message
    (result / "predictions.jsonl").write_text(lines)
    changed = json.loads(text)
    changed["data"]["name"] = "other"
    (result / "results.json").write_text(json.dumps(changed))
    assert "'other', which is no data set" in fails("report", result)
    path = os.path.join(result, "results.json")
    assert (
        fails("report", path) == f"{path!r} is a file: give its folder, {str(result)!r}"
    )
    (result / "results.json").write_text(text)
    os.remove(result / "models" / "part.joblib")
    assert "there is no file" in fails("report", result)
    assert not (result / "report.html").exists()


def test_images_that_are_elsewhere(fails, result):
    path = result / "predictions.jsonl"
    text = path.read_text()
    path.write_text(text.replace("/test/good/", "/test/gone/"))
    message = fails("report", result)
    assert "2 of 5 test images of 'part' are not where they were" in message
