"""An inspection service: POST an image, get its score, the decision and the regions.

It reads its settings from the environment:

- ``SKUAD_MODEL``: path of a fitted detector that ``skuad fit`` or ``joblib.dump`` wrote;
- ``SKUAD_MODEL_SHA256``: its SHA-256; another file is refused before it is opened;
- ``SKUAD_IMAGE_SHAPE``: height, width and channels of the images, "1024,1280,3", so that
  what only the first image needs is done before the service says that it is ready;
- ``SKUAD_WORKERS`` (2): images that are inspected at once;
- ``SKUAD_THREADS`` (1): threads of each of them;
- ``SKUAD_MAX_BYTES`` (50 million): size of the largest upload.

Start it with ``uvicorn --factory app:app_from_environment --port 8000``.
"""

import base64
import hashlib
import io
import os
import tempfile
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import joblib
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from skuad.inference import infer, regions_of, threshold_of, warm_up
from skuad.io import read_image
from skuad.utils import limit_threads
from skuad.weights import check_weights


class Inspector:
    """A detector of a file, and how many images it may see at once."""

    def __init__(self, path, *, sha256=None, image_shape=None, workers=2):
        content = Path(path).read_bytes()
        self.sha256 = hashlib.sha256(content).hexdigest()
        # Loading runs what the file says, so the check comes first.
        if sha256 is not None and sha256.lower() != self.sha256:
            raise RuntimeError(f"{path} has the SHA-256 {self.sha256}, not {sha256}")
        self.detector = joblib.load(io.BytesIO(content))
        check_weights(self.detector)
        self.threshold = threshold_of(self.detector)
        if image_shape is not None:
            warm_up(self.detector, image_shape)
        self._free = threading.BoundedSemaphore(workers)

    def inspect(self, content, *, with_map=False):
        """Return what is known of an image file.

        Raises
        ------
        ValueError
            If the content is no image that the detector takes.
        """
        with self._free:
            image = decode(content)
            result = infer(self.detector, [image], include_maps=True)
            anomaly_map, score = result.maps[0], float(result.scores[0])
            answer = {
                "score": score,
                "threshold": self.threshold,
                "decision": None,
                "regions": regions_of(self.detector, anomaly_map),
                "image_shape": image.shape,
                "model_sha256": self.sha256,
            }
            if self.threshold is not None:
                anomalous = result.labels[0] == -1
                answer["decision"] = "anomalous" if anomalous else "good"
            if with_map:
                answer["map"] = encode(anomaly_map)
            return answer


def decode(content):
    """Return the pixels of an image file as they were read in training."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "upload")
        Path(path).write_bytes(content)
        try:
            return read_image(path)
        except ValueError as error:
            raise ValueError(str(error).replace(repr(path), "the upload")) from error


def encode(anomaly_map):
    """Return a map as a 16-bit PNG: the map is its pixels times ``scale``."""
    scale = max(float(anomaly_map.max()), 1e-12) / 65535
    pixels = np.clip(np.rint(anomaly_map / scale), 0, 65535).astype(np.uint16)
    _, png = cv2.imencode(".png", pixels)
    return {"scale": scale, "png": base64.b64encode(png).decode()}


async def receive(request, max_bytes):
    """Return the body of a request, or refuse it as soon as it is too large."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > max_bytes:
            raise HTTPException(413, f"the upload is larger than {max_bytes} bytes")
    return bytes(content)


def create_app(path, *, threads=1, max_bytes=50_000_000, **settings):
    """Return the service of a file; for `settings` see `Inspector`."""

    @asynccontextmanager
    async def lifespan(app):
        app.state.inspector = Inspector(path, **settings)
        # Only now, as libraries that are not loaded yet cannot be bounded.
        with limit_threads(threads):
            yield

    app = FastAPI(title="Inspection", lifespan=lifespan)

    @app.get("/health")
    async def health():  # in no thread, as all may be waiting for their turn
        inspector = app.state.inspector
        return {"status": "ready", "model_sha256": inspector.sha256}

    @app.post("/inspect")
    async def inspect(request: Request, map: bool = False):
        content = await receive(request, max_bytes)
        try:
            return await run_in_threadpool(
                app.state.inspector.inspect, content, with_map=map
            )
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    return app


def app_from_environment():
    """Return the service that the environment describes."""
    shape = os.environ.get("SKUAD_IMAGE_SHAPE")
    return create_app(
        os.environ["SKUAD_MODEL"],
        max_bytes=int(os.environ.get("SKUAD_MAX_BYTES", 50_000_000)),
        sha256=os.environ.get("SKUAD_MODEL_SHA256"),
        image_shape=None if shape is None else tuple(map(int, shape.split(","))),
        workers=int(os.environ.get("SKUAD_WORKERS", 2)),
        threads=int(os.environ.get("SKUAD_THREADS", 1)),
    )
