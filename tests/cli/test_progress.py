import os
import struct
import subprocess
import sys
import time

import pytest

from skuad.calibration import ConformalDetector
from skuad.cli import _console
from skuad.cli._console import Activity, Console
from skuad.detectors import PatchKNN, Tiled
from skuad.io import find_images
from skuad.utils._progress import listening


def on_a_terminal(*command):
    """Run a command on a terminal 100 columns wide; return what is written there."""
    fcntl, termios = (
        pytest.importorskip(name, reason="terminals of POSIX systems")
        for name in ("fcntl", "termios")
    )
    screen, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    written = b""
    try:
        while new := os.read(screen, 4096):
            written += new
    except OSError:  # on Linux, the end
        pass
    os.close(screen)
    assert process.wait() == 0
    return written.decode()


def test_a_warning_has_a_line_of_its_own(good, tmp_path):
    # Slow enough that the progress is shown.
    slow = ("--tile-size", "16", "--tile-stride", "4")
    written = on_a_terminal("skuad", "fit", good, "--out", tmp_path / "m", *slow)
    assert "\rfitting Tiled on 9 images: " in written
    before, _, _ = written.partition("skuad: warning: 9 good images")
    assert before.endswith("\r")
    assert before.split("\r")[-2].strip() == ""


def test_a_benchmark_says_what_it_is_at(tree, tmp_path):
    command = ("benchmark", "mvtec_ad", str(tree), "--category", "part")
    written = on_a_terminal("skuad", *command, "--out", tmp_path, "--n-jobs", "1")
    assert "part: fitting, fold 9 of 9" in written
    assert ", part]" in written.rpartition("fold 9 of 9")[2]


@pytest.mark.parametrize(
    ("detector", "n_folds"),
    [
        (PatchKNN(calibration=3), 3),
        (PatchKNN(calibration=3, n_jobs=2), 3),
        (PatchKNN(), 9),
        (Tiled(PatchKNN(), tile=48, calibration=4), 4),
        (ConformalDetector(PatchKNN(), cv=3, false_alarm_rate=0.2), 3),
    ],
)
@pytest.mark.filterwarnings("ignore::skuad.utils.CalibrationWarning")
def test_a_fit_tells_which_fold_it_is_at(good, detector, n_folds):
    heard = []
    with listening(lambda *part: heard.append(part)):
        detector.fit(find_images(good))
    assert heard == [("fold", number + 1, n_folds) for number in range(n_folds)]
    detector.fit(find_images(good))  # nobody listens any more
    assert len(heard) == n_folds


def test_how_far_a_fit_is():
    activity = Activity("fitting X on 3 images", 3)
    assert str(activity) == "fitting X on 3 images: begins (00:00)"
    states = []
    for _ in range(4):
        activity.image()
        states.append(str(activity).split(": ")[1])
    assert states[1:] == [
        "image 2 of 3 (00:00)",
        "image 3 of 3 (00:00)",
        "image 1 of 3 in pass 2 (00:00)",
    ]
    activity.part("fold", 3, 20)
    activity.image()
    assert "images: fold 3 of 20 of the calibration (00:00)" in str(activity)


def test_a_log_says_now_and_then_how_far_a_fit_is(monkeypatch, capsys):
    monkeypatch.setattr(_console, "_EVERY", 0.01)
    with Console().activity("fitting X on 3 images", 3) as activity:
        activity.image()
        deadline = time.monotonic() + 60
        seen = ""
        while "image 1 of 3" not in seen and time.monotonic() < deadline:
            time.sleep(0.01)
            seen += capsys.readouterr().err
    assert seen.startswith("skuad: fitting X on 3 images\nskuad: fitting X on 3 images")
    capsys.readouterr()
    with Console(quiet=True).activity("fitting X on 3 images", 3):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
