import subprocess
import sys
import warnings

import pytest

import skuad
from skuad.cli import main
from skuad.cli._arguments import build_parser
from skuad.cli._console import Console, Failure, error_line, one_line

HEAVY = ("numpy", "cv2", "sklearn", "scipy", "tqdm", "joblib")


def test_help_names_the_commands_and_fits_a_terminal(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in build_parser().commands():
        assert f"    {command}" in out
        code, text, err = run(command, "--help")
        assert (code, err) == (0, "")
        assert max(map(len, text.splitlines())) <= 80


def test_no_command_prints_help(run):
    code, out, _ = run()
    assert code == 2
    assert out.startswith("usage: skuad")


def test_version(run):
    assert run("--version") == (0, f"skuad {skuad.__version__}\n", "")


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from skuad.cli import main; main(['fit', '--help']); "
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "heavy: []"


def test_the_module_runs_too():
    result = subprocess.run(
        [sys.executable, "-m", "skuad", "--version"], capture_output=True, text=True
    )
    assert result.returncode == 0
    assert result.stdout == f"skuad {skuad.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["inferr"], "Did you mean 'infer'?"),
        (["fit", "x"], "the following arguments are required: --out"),
        (["fit", "x", "--out", "y", "--preprocess", "grayworld"], "'gray-world'?"),
        (["fit", "x", "--out", "y", "--false-alarm-rate", "2"], "between 0 and 1"),
        (["fit", "x", "--out", "y", "--max-patches", "0"], "must be 1 or more"),
        (["fit", "x", "--out", "y", "--max-patches", "few"], "whole number"),
        (["fit", "x", "--out", "y", "--nonsense"], "unrecognized arguments"),
    ],
)
def test_wrong_arguments_are_one_line(fails, arguments, part):
    message = fails(*arguments)
    assert part in message
    assert "--help)" in message


def test_a_traceback_comes_with_verbose_only(run, tmp_path):
    command = ["benchmark", "folder", tmp_path / "nowhere", "--out", tmp_path]
    assert "Traceback" not in run(*command)[2]
    code, _, err = run(*command, "-v")
    assert code == 2
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("skuad: error: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Failure("mend it"), "mend it"),
        (ValueError("two\n  lines."), "two; lines"),
        (FileNotFoundError(2, "No such file", "a.png"), "No such file: 'a.png'"),
        (OSError(28, "No space left on device", "b"), "No space left on device: 'b'"),
        (FileNotFoundError("nothing at 'x'"), "nothing at 'x'"),
        (KeyError("k"), "unexpected KeyError: 'k' (-v shows where)"),
        (MemoryError(), "lower --max-patches"),
    ],
)
def test_errors_are_put_on_one_line(error, line):
    assert line in error_line(error)
    assert "\n" not in error_line(error)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it has folders, which recursive=True searches.", "--recursive searches"),
        ("missing_mask='zero' keeps such images", "--missing-mask zero keeps"),
        ("no image directly: give good='.' if they are good", "into a folder 'good'"),
        ("no good ones. Say which hold good images: good='...'", "no good ones"),
        ("[Errno 28] No space left on device: 'a'", "No space left on device: 'a'"),
        ("cut off. Replace or remove it; select_readable(paths) x", "cut off"),
    ],
)
def test_messages_use_the_terms_of_the_command_line(text, expected):
    assert expected in one_line(text)
    assert "=" not in one_line(text)


def test_a_parameter_keeps_its_name_in_a_list():
    assert one_line("Known: coreset, max_patches, pool") == (
        "Known: coreset, max_patches, pool"
    )
    assert one_line("Lower max_patches.") == "Lower --max-patches"


def test_warnings_are_one_line_and_the_same_one_comes_once(capsys):
    with Console().warnings_in_one_line():
        for number in range(3):
            text = f"image {number} (a{number}.png) is uint16"
            warnings.warn(text, UserWarning, stacklevel=1)
        warnings.warn("two\nlines", RuntimeWarning, stacklevel=1)
        warnings.warn("not for users", DeprecationWarning, stacklevel=1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "skuad: warning: image 0 (a0.png) is uint16",
        "skuad: warning: two; lines",
    ]


def test_a_reader_that_leaves_is_no_error(good, model, tmp_path):
    command = [sys.executable, "-m", "skuad", "infer", model, good, "--no-overlays"]
    process = subprocess.Popen(
        [*command, "--out", tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err == b""


def test_an_unexpected_error_is_one_line_too(monkeypatch, capsys):
    def broken(*args):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("skuad.cli._demo.run", broken)
    assert main(["demo"]) == 2
    err = capsys.readouterr().err
    assert err == "skuad: error: unexpected ZeroDivisionError: oh (-v shows where)\n"
