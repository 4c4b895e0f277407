"""What measures the library can still be run."""

import os
import subprocess
import sys
from pathlib import Path

import asv  # noqa: F401 -- the command, in a process of its own, needs it

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_benchmarks_and_scripts_are_importable_and_take_their_parameters():
    """Asv imports all files of the folder, and calls nothing."""
    end = subprocess.run(
        [sys.executable, "-m", "asv", "check", "--python=same"],
        cwd=BENCHMARKS,
        env=os.environ | {"PYTHONPATH": str(BENCHMARKS.parent)},
        capture_output=True,
        text=True,
    )
    assert end.returncode == 0, end.stdout + end.stderr
    assert "No problems found" in end.stdout
