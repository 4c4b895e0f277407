"""The service of the deployment guide under load: ``python -m benchmarks.service``.

For each detector uvicorn runs the application of ``doc/examples/service`` with a saved
file in a process of its own, and single images go to it from 4 threads. Printed is a
Markdown table:

- first: the first image of a service that was not warmed up;
- p50, p99: latency of a request while 4 wait at once;
- images/s: requests that are done per second;
- memory: growth of the service's peak resident memory after image 500 (with fewer
  requests, after the first quarter);
- equal: whether every answer is that of the same image alone.
"""

import argparse
import http.client
import itertools
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import joblib
import numpy as np

from benchmarks.bench_pipeline import make_photo
from skuad.detectors import PatchKNN, Tiled
from skuad.feature_extraction import TimmEmbedder
from skuad.io import write_image

SERVICE = Path(__file__).parents[1] / "doc" / "examples" / "service"
N_CLIENTS = 4
N_FILES = 8
WARM = 500
TIMEOUT = 300  # seconds, of the start and of a request
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
        "Tiled, 12 MP": (Tiled(bank, tile=512, calibration=None), (3000, 4000)),
    }


@contextmanager
def running_service(model, log):
    """Start the service of a file, and stop it; yield its port and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = "-m uvicorn --factory app:app_from_environment --log-level warning"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, *command.split(), "--port", str(port)],
            cwd=SERVICE,
            env={**os.environ, "SKUAD_MODEL": model},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                ask(connect(port), "GET", "/health")
                break
            except ConnectionRefusedError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(Path(log).read_text()) from None
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


def connect(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)


def ask(connection, method, path, content=None):
    """Return seconds and the answer of a request."""
    start = time.perf_counter()
    connection.request(method, path, content)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path} answered {response.status}: {answer!r}")
    return time.perf_counter() - start, json.loads(answer)


def peak_memory(process):
    """Return the highest resident memory so far, in MiB.

    Not the present one, which depends on how far the images are that are looked at.
    """
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(detector, shape, n_requests, folder):
    """Return what the table says of one detector."""
    paths = [os.path.join(folder, f"{number}.jpg") for number in range(N_FILES)]
    for number, path in enumerate(paths):
        write_image(path, make_photo(*shape, number))
    detector.fit(paths[: N_FILES // 2])
    model = os.path.join(folder, "model.joblib")
    joblib.dump(detector, model)
    uploads = [Path(path).read_bytes() for path in paths]
    log = os.path.join(folder, "log.txt")
    with running_service(model, log) as (port, process):
        one = connect(port)
        first, _ = ask(one, "POST", "/inspect", uploads[0])
        alone = [ask(one, "POST", "/inspect", content)[1] for content in uploads]
        warm = WARM if n_requests > WARM else n_requests // 4
        numbers, lock, memory = itertools.count(), threading.Lock(), []

        def client():
            """Send images until all have been sent."""
            connection = connect(port)
            found = []
            while True:
                with lock:
                    number = next(numbers)
                    if number == warm:
                        memory.append(peak_memory(process))
                if number >= n_requests:
                    return found
                upload = uploads[number % N_FILES]
                seconds, answer = ask(connection, "POST", "/inspect", upload)
                found.append((seconds, answer == alone[number % N_FILES]))

        start = time.perf_counter()
        with ThreadPoolExecutor(N_CLIENTS) as pool:
            loops = [pool.submit(client) for _ in range(N_CLIENTS)]
            found = [result for loop in loops for result in loop.result()]
        seconds = time.perf_counter() - start
        memory.append(peak_memory(process))
    latencies, equal = zip(*found, strict=True)
    p50, p99 = np.percentile(latencies, [50, 99])
    return {
        "image": f"{shape[1]} x {shape[0]}",
        "requests": f"{len(found):,}",
        "first": f"{first:.2f} s",
        "p50": f"{1e3 * p50:.0f} ms",
        "p99": f"{1e3 * p99:.0f} ms",
        "images/s": f"{len(found) / seconds:.1f}",
        "memory": f"{memory[1]:.0f} MiB, {100 * (memory[1] / memory[0] - 1):+.1f} % "
        f"after {warm}",
        "equal": all(equal),
    }


def machine():
    """Describe the processor, and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = {line.split(":")[1].strip() for line in lines if "model name" in line}
    cores = len(os.sched_getaffinity(0))
    name = ", ".join(sorted(names)) or platform.machine()
    return (
        f"{cores} cores of {name}; load {os.getloadavg()[0]:.1f} before the first run"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cases = make_cases()
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument(
        "--tiled-requests",
        type=int,
        default=600,
        help="of 12 MP, which take seconds each (default: 600)",
    )
    parser.add_argument("--only", choices=list(cases))
    args = parser.parse_args()
    if min(args.requests, args.tiled_requests) < N_CLIENTS:
        parser.error(f"at least {N_CLIENTS} requests are needed")
    print(machine(), end="\n\n")
    print("| " + " | ".join((*COLUMNS, "equal")) + " |")
    print("| " + " | ".join(["---"] * (len(COLUMNS) + 1)) + " |", flush=True)
    cv2.setNumThreads(1)
    for name in [args.only] if args.only else cases:
        detector, shape = cases[name]
        n_requests = args.tiled_requests if "Tiled" in name else args.requests
        with tempfile.TemporaryDirectory() as folder:
            row = {"detector": name, **measure(detector, shape, n_requests, folder)}
        print(
            "| " + " | ".join(str(row[c]) for c in (*COLUMNS, "equal")) + " |",
            flush=True,
        )


if __name__ == "__main__":
    main()
