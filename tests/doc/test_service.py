"""The service of the deployment guide, by real requests to the real application."""

import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import joblib
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sklearn.pipeline import make_pipeline

from skuad.cli import main
from skuad.detectors import PatchKNN
from skuad.inference import infer
from skuad.io import write_image
from skuad.postprocessing import MapDecision
from skuad.preprocessing import GrayWorld
from skuad.utils._testing_images import make_images

FOLDER = Path(__file__).parents[2] / "doc" / "examples" / "service"
NEW = make_images(4, seed=6)
NEW[2, 10:20, 10:20] = 255  # a defect

#: Ends a process that opens a connection; it may answer those that come.
NO_CONNECTIONS = """
import os, sys

def refuse(event, arguments):
    if event == "socket.connect":
        print("it connects to", arguments[1], file=sys.stderr, flush=True)
        os._exit(1)

sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("service_app", FOLDER / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def detector():
    return PatchKNN(false_alarm_rate=0.1, random_state=0).fit(make_images(20, seed=5))


@pytest.fixture(scope="module")
def model(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "part.joblib"
    joblib.dump(detector, path)
    return path


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    paths = [tmp_path_factory.mktemp("images") / f"{i}.png" for i in range(len(NEW))]
    for path, image in zip(paths, NEW, strict=True):
        write_image(path, image)
    return [path.read_bytes() for path in paths]


@pytest.fixture
def client(module, model):
    app = module.create_app(model, max_bytes=100_000, image_shape=NEW.shape[1:])
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_answers_are_those_of_the_detector(client, detector, uploads):
    expected = infer(detector, NEW, include_maps=True)
    answers = [client.post("/inspect", content=upload).json() for upload in uploads]
    assert [answer["score"] for answer in answers] == list(expected.scores)
    labels = ["good" if label == 1 else "anomalous" for label in expected.labels]
    assert [answer["decision"] for answer in answers] == labels
    assert labels[2] == "anomalous"
    y0, x0, y1, x1 = answers[2]["regions"][0]["box"]
    assert y0 < 20 and y1 > 10 and x0 < 20 and x1 > 10
    assert answers[2]["image_shape"] == [48, 56, 3]


def test_regions_are_by_the_rules_of_the_detector(module, tmp_path):
    """Of a pipeline that ends in a MapDecision; `skuad infer` writes the same."""
    estimator = make_pipeline(
        GrayWorld(),
        MapDecision(PatchKNN(random_state=0), min_area=500, false_alarm_rate=0.1),
    ).fit(make_images(20, seed=5))
    joblib.dump(estimator, tmp_path / "m.joblib")
    images = NEW.copy()
    images[1, 20:24, 20:24] = 150  # its region is smaller than min_area
    for number, image in enumerate(images):
        write_image(tmp_path / f"{number}.png", image)
    paths = [str(tmp_path / f"{number}.png") for number in range(len(images))]
    out = str(tmp_path / "out")
    assert main(["infer", str(tmp_path / "m.joblib"), *paths, "--out", out]) == 0
    lines = Path(out, "predictions.jsonl").read_text().splitlines()
    expected = [json.loads(line)["regions"] for line in lines]
    with TestClient(module.create_app(tmp_path / "m.joblib")) as client:
        answers = [client.post("/inspect", content=Path(p).read_bytes()) for p in paths]
    assert [answer.json()["regions"] for answer in answers] == expected
    assert answers[1].json()["decision"] == "anomalous"
    assert [len(regions) for regions in expected] == [0, 0, 1, 0]


def test_the_map_comes_on_demand(client, detector, uploads):
    assert "map" not in client.post("/inspect", content=uploads[2]).json()
    answer = client.post("/inspect?map=true", content=uploads[2]).json()["map"]
    png = np.frombuffer(base64.b64decode(answer["png"]), np.uint8)
    found = cv2.imdecode(png, cv2.IMREAD_UNCHANGED) * answer["scale"]
    np.testing.assert_allclose(
        found, detector.transform(NEW[2:3])[0], atol=answer["scale"]
    )


def test_threads_get_the_answers_of_one(client, uploads):
    def ask(number):
        return client.post("/inspect?map=true", content=uploads[number % 4]).json()

    alone = [ask(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(ask, range(24)))
    assert together == alone * 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the upload: the file is empty"),
        (b"GIF89a no image", "the upload"),
        ("truncated", "the upload"),
        ("gray", "channel"),
    ],
)
def test_a_bad_image_is_refused_and_the_service_lives_on(
    client, uploads, tmp_path, content, message
):
    if content == "truncated":
        content = uploads[0][:200]
    elif content == "gray":
        write_image(tmp_path / "gray.png", NEW[0, ..., 0])
        content = (tmp_path / "gray.png").read_bytes()
    answer = client.post("/inspect", content=content)
    assert answer.status_code == 422, answer.text
    assert message in answer.json()["detail"]
    assert "/" not in answer.json()["detail"]  # no place on the server
    assert client.post("/inspect", content=uploads[0]).status_code == 200


def test_a_fault_of_the_server_ends_one_request_only(
    client, module, uploads, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(module, "infer", lambda *args, **kwargs: 1 / 0)
        for _ in range(5):  # more often than images may be inspected at once
            assert client.post("/inspect", content=uploads[0]).status_code == 500
    assert client.post("/inspect", content=uploads[0]).status_code == 200


def test_a_large_upload_is_refused(client, uploads):
    answer = client.post("/inspect", content=bytes(100_001))
    assert answer.status_code == 413
    assert "100000" in answer.json()["detail"]
    assert client.post("/inspect", content=uploads[0]).status_code == 200


def test_health_does_not_wait_for_images(client, module, uploads, monkeypatch):
    """However many there are: a service that is busy is not dead."""
    free, decode = threading.Event(), module.decode
    monkeypatch.setattr(module, "decode", lambda c: free.wait(60) and decode(c))
    with ThreadPoolExecutor(60) as pool:
        waiting = [
            pool.submit(client.post, "/inspect", content=uploads[0]) for _ in range(59)
        ]
        time.sleep(1)
        try:
            answer = pool.submit(client.get, "/health").result(timeout=20)
        finally:
            free.set()
        assert all(one.result().status_code == 200 for one in waiting)
    assert answer.status_code == 200


def test_health_names_the_file(client, model):
    assert client.get("/health").json() == {
        "status": "ready",
        "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
    }


def test_another_file_is_not_even_opened(module, model, monkeypatch):
    monkeypatch.setattr(module.joblib, "load", lambda path: pytest.fail("loaded"))
    with (
        pytest.raises(RuntimeError, match=r"part\.joblib has the SHA-256"),
        TestClient(module.create_app(model, sha256="0" * 64)),
    ):
        pass


def test_it_runs_as_the_guide_says(model, uploads, tmp_path):
    """By uvicorn, in a process of its own, with settings from the environment."""
    settings = {
        "SKUAD_MODEL": str(model),
        "SKUAD_MODEL_SHA256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "SKUAD_IMAGE_SHAPE": "48,56,3",
        "OPENCV_IO_MAX_IMAGE_PIXELS": "3000",
    }
    command = "uvicorn --factory app:app_from_environment --port"
    guide = FOLDER.parents[1] / "user_guide" / "deployment.md"
    assert command in guide.read_text(encoding="utf-8")
    port = _free_port()
    command = [sys.executable, "-m", *command.split(), port]
    with _running(command, port, cwd=FOLDER, env=settings) as url:
        status, answer = _ask(f"{url}/inspect", uploads[2])
        assert (status, answer["decision"]) == (200, "anomalous")
        # A small file may hold an image that fills the memory.
        write_image(tmp_path / "large.png", np.zeros((100, 100, 3), np.uint8))
        status, answer = _ask(f"{url}/inspect", (tmp_path / "large.png").read_bytes())
        assert status == 422 and "cannot be decoded" in answer["detail"]
        assert _ask(f"{url}/inspect", uploads[0])[0] == 200


def test_the_container_has_all_that_it_needs(model, uploads, tmp_path):
    """Its steps in an empty folder; what it takes from the network is installed."""
    steps = _container_steps()
    root, site = tmp_path / "root", tmp_path / "site"
    for source in (step.split() for name, step in steps if name == "COPY"):
        *sources, target = source
        for path in (FOLDER.parents[2] / source for source in sources):
            if path.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, root / target[1:], ignore=ignore)
            else:
                to = root / target[1:] / (path.name if target.endswith("/") else "")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, to)
    (run,) = (step for name, step in steps if name == "RUN")
    assert run == 'pip install --no-cache-dir "/src[service]" && rm -r /src'
    offline = "--no-index --no-deps --no-build-isolation --quiet --target"
    pip = [sys.executable, "-m", "pip", "install", *offline.split()]
    subprocess.run([*pip, str(site), str(root / "src")], check=True)
    shutil.rmtree(root / "src")
    (site / "sitecustomize.py").write_text(NO_CONNECTIONS)

    settings = dict(
        setting.split("=")
        for name, step in steps
        if name == "ENV"
        for setting in step.split()
    )
    assert set(settings) - {"OPENCV_IO_MAX_IMAGE_PIXELS"} <= _settings_of_the_app()
    settings |= {"SKUAD_MODEL": str(model), "PYTHONPATH": str(site)}
    (workdir,) = (step for name, step in steps if name == "WORKDIR")
    cwd, port = root / workdir[1:], _free_port()
    where = [sys.executable, "-c", "import skuad; print(skuad.__file__)"]
    env = {**os.environ, **settings}
    used = subprocess.run(where, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True)
    assert Path(used.stdout.strip()).is_relative_to(site)

    command = json.loads(next(step for name, step in steps if name == "CMD"))
    command = [sys.executable, "-m", *command, "--port", port]
    with _running(command, port, cwd=cwd, env=settings) as url:
        status, answer = _ask(f"{url}/inspect", uploads[2])
        assert (status, answer["decision"]) == (200, "anomalous")
        # The health check that the engine runs; the port is that of this test.
        check = next(step for name, step in steps if name == "HEALTHCHECK")
        _, python, code = json.loads(check.split("CMD")[1])[0:3]
        assert python == "-c" and ":8000/" in code
        code = code.replace(":8000/", f":{port}/")
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def _container_steps():
    """Return name and argument of the instructions of the recipe."""
    recipe = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in recipe.splitlines() if not line.startswith("#")]
    lines = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line]


def _settings_of_the_app():
    return set(re.findall("SKUAD_[A-Z0-9_]+", (FOLDER / "app.py").read_text()))


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def _running(command, port, *, cwd, env):
    """Start a service, wait until it is healthy, yield its address, stop it."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **env},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    assert _ask(f"{url}/health")[0] == 200
                    break
                except urllib.error.URLError:
                    log.seek(0)
                    assert process.poll() is None, log.read().decode()
                    time.sleep(0.2)
            else:
                pytest.fail("the service does not answer")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _ask(url, content=None):
    try:
        with urllib.request.urlopen(url, content, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
