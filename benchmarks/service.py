"""The service of the deployment guide under load: ``python -m benchmarks.service``.

For each detector the application of ``doc/examples/service`` loads a saved file, and
single images go through it from 4 threads, as HTTP requests within the process (no
network in between). Printed is a Markdown table:

- first: the first image in a new process, which imports libraries and loads the network;
- p50, p99: latency of a request while 4 wait at once;
- images/s: requests that are done per second;
- memory: growth of the resident memory after image 500 (or the first quarter);
- equal: whether every answer is that of the same image alone.
"""

import argparse
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import joblib
import numpy as np
from fastapi.testclient import TestClient

from benchmarks.bench_pipeline import make_photo
from skuad.detectors import PatchKNN, Tiled
from skuad.feature_extraction import TimmEmbedder
from skuad.io import write_image

APP = Path(__file__).parents[1] / "doc" / "examples" / "service" / "app.py"
N_CLIENTS = 4
N_FILES = 8
COMMON = {"coreset": "random", "calibration": None, "random_state": 0}
COLUMNS = ("detector", "image", "requests", "first", "p50", "p99", "images/s", "memory")


def make_cases():
    """Return detector, and height and width of the images, by name."""
    network = TimmEmbedder(image_size=256, device="cpu", store_weights=True)
    bank = PatchKNN(coreset_ratio=0.01, **COMMON)
    return {
        "filter bank": (PatchKNN(coreset_ratio=0.1, **COMMON), (256, 256)),
        "EfficientNet-Lite": (
            PatchKNN(network, coreset_ratio=0.1, **COMMON),
            (256, 256),
        ),
        "Tiled 12 MP": (Tiled(bank, tile=512, calibration=None), (3000, 4000)),
    }


def load_app():
    spec = importlib.util.spec_from_file_location("service_app", APP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def resident_memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def first_image(model, shape):
    """Return the seconds that `warm_up` takes in a new process."""
    program = (
        "import sys, joblib; from skuad.inference import warm_up; "
        f"print(warm_up(joblib.load({model!r}), {(*shape, 3)}, n_threads=1))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def measure(detector, shape, n_images, folder):
    """Return what the table says of one detector."""
    paths = [os.path.join(folder, f"{number}.jpg") for number in range(N_FILES)]
    for number, path in enumerate(paths):
        write_image(path, make_photo(*shape, number))
    detector.fit(paths[: N_FILES // 2])
    model = os.path.join(folder, "model.joblib")
    joblib.dump(detector, model)
    uploads = [Path(path).read_bytes() for path in paths]
    first = first_image(model, shape)
    app = load_app().create_app(model, workers=2, threads=1)
    with TestClient(app) as client:

        def ask(number):
            start = time.perf_counter()
            answer = client.post("/inspect", content=uploads[number % N_FILES])
            seconds = time.perf_counter() - start
            assert answer.status_code == 200, answer.text
            return seconds, answer.json()["score"]

        alone = [ask(number)[1] for number in range(N_FILES)]
        warm = min(500, n_images // 4)
        counter, lock, memory = itertools.count(), threading.Lock(), []

        def client_loop():
            """Send images until all have been sent."""
            found = []
            while True:
                with lock:
                    number = next(counter)
                    if number >= warm and number % max(1, n_images // 100) == 0:
                        memory.append(resident_memory())
                if number >= n_images:
                    return found
                seconds, score = ask(number)
                found.append((seconds, score == alone[number % N_FILES]))

        start = time.perf_counter()
        with ThreadPoolExecutor(N_CLIENTS) as pool:
            loops = [pool.submit(client_loop) for _ in range(N_CLIENTS)]
            found = [result for loop in loops for result in loop.result()]
        seconds = time.perf_counter() - start
    latencies, equal = zip(*found, strict=True)
    p50, p99 = np.percentile(latencies, [50, 99])
    return {
        "image": f"{shape[1]} x {shape[0]}",
        "requests": len(found),
        "first": f"{first:.2f} s",
        "p50": f"{1e3 * p50:.0f} ms",
        "p99": f"{1e3 * p99:.0f} ms",
        "images/s": f"{len(found) / seconds:.1f}",
        "memory": f"{100 * (max(memory[1:]) / memory[0] - 1):+.1f} %",
        "equal": all(equal),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--only", choices=list(make_cases()))
    args = parser.parse_args()
    names = [args.only] if args.only else list(make_cases())
    print("| " + " | ".join((*COLUMNS, "equal")) + " |")
    print("| " + " | ".join(["---"] * (len(COLUMNS) + 1)) + " |")
    for name in names:
        detector, shape = make_cases()[name]
        cv2.setNumThreads(1)
        with tempfile.TemporaryDirectory() as folder:
            row = {"detector": name, **measure(detector, shape, args.images, folder)}
        print("| " + " | ".join(str(row[c]) for c in (*COLUMNS, "equal")) + " |")
    print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg()}))


if __name__ == "__main__":
    main()
