import subprocess
import sys
import warnings

import pytest

import skuad
from skuad.cli import main
from skuad.cli._arguments import build_parser
from skuad.cli._console import Console, Failure, error_line, one_line
from skuad.cli._files import make_folder
from skuad.datasets._names import nearest_path
from skuad.utils._text import plural

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
        (OSError(28, "No space left on device", "b"), "device ('b'): make room, or"),
        (OSError(28, "No space left on device"), "No space left on device: make room"),
        (FileNotFoundError("nothing at 'x'"), "nothing at 'x'"),
        (KeyError("k"), "unexpected KeyError: 'k' (-v shows where)"),
        (MemoryError(), "or fit with a lower --max-patches"),
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


def test_a_wrong_option_points_to_the_help_of_its_command(fails):
    message = fails("fit", "good", "--out", "m", "--tille-size", "128")
    assert message == (
        "unrecognized arguments: --tille-size 128. Did you mean '--tile-size'? (see "
        "skuad fit --help)"
    )


@pytest.mark.parametrize(
    ("there", "wrong", "hint"),
    [
        ("photos/new", "photos/nwe", "photos/new"),
        ("photos/good", "photo/good", "photos/good"),
        ("photos/good", "photo/goood", "photos"),  # two mistakes
        ("bench", "benhc", "bench"),
        ("loop", "nope", None),
    ],
)
def test_the_nearest_path(tmp_path, monkeypatch, there, wrong, hint):
    (tmp_path / there).mkdir(parents=True)
    expected = f" Did you mean {hint!r}?" if hint else ""
    monkeypatch.chdir(tmp_path)
    assert nearest_path(wrong) == expected
    assert nearest_path(f"{wrong}/") == expected
    absolute = nearest_path(str(tmp_path / wrong))
    assert absolute == (f" Did you mean {str(tmp_path / hint)!r}?" if hint else "")


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("fit", "photo/good", "--out", "m"), "photos/good"),
        (("report", "photoss"), "photos"),
        (("datasets", "folder", "potos"), "photos"),
        (("infer", "photos/m.jobli", "photos/good", "--out", "o"), "photos/m.joblib"),
    ],
)
def test_commands_name_the_nearest_path(fails, tmp_path, monkeypatch, command, hint):
    (tmp_path / "photos" / "good").mkdir(parents=True)
    (tmp_path / "photos" / "m.joblib").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert fails(*command).endswith(f"Did you mean {hint!r}?")


def test_a_full_disk_is_found_before_the_work(monkeypatch, tmp_path):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **options: Full())
    with pytest.raises(Failure, match=r"cannot write to the folder .*No space left"):
        make_folder(str(tmp_path / "out"))


def test_one_and_many():
    assert [plural(n, "image") for n in (0, 1, 2)] == [
        "0 images",
        "1 image",
        "2 images",
    ]
    assert plural(2, "category", "categories") == "2 categories"
