"""Settings that must be in place before numpy and scipy are imported."""

import os
import signal

# scikit-learn's battery skips its array API checks without it.
os.environ["SCIPY_ARRAY_API"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"

# Commands that tests start inherit it: a shell's background jobs ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import cv2

if "PYTEST_XDIST_WORKER" in os.environ:
    cv2.setNumThreads(1)
