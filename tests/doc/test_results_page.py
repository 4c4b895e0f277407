"""The page of benchmarks, from results that were made up."""

import json
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "results_page.py"
BENCH = '''"""Searching, beside a peer."""


class Search:
    """Search in a bank."""

    def time_search(self, size, kind):
        pass

    def peakmem_search(self):
        """Memory | of it."""


class SearchBesidePeer(Search):
    """The same, with the peer in the same run.

    More of it.
    """

    def track_speedup(self):
        pass
'''
NAMES = {
    "Search.time_search": ("seconds", ["size", "kind"]),
    "Search.peakmem_search": ("bytes", []),
    "SearchBesidePeer.time_search": ("seconds", ["size", "kind"]),
    "SearchBesidePeer.track_speedup": ("unit", []),
}
RESULTS = {
    "Search.time_search": [
        [0.00123456, 2.5, None, float("nan")],
        [["10", "2000"], ["'a b'", "'c'"]],
        "version",
    ],
    "Search.peakmem_search": [[300 * 2**20], []],
    "SearchBesidePeer.time_search": [None, [["10"], ["'c'"]]],
    "SearchBesidePeer.track_speedup": [[13.0], []],
}


@pytest.fixture
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def results(tmp_path):
    """A folder as asv writes it."""
    known = {
        f"bench_near.{name}": {"unit": unit, "param_names": params}
        for name, (unit, params) in NAMES.items()
    }
    run = {
        "commit_hash": "0123456789abcdef",
        "result_columns": ["result", "params", "version", "started_at"],
        "results": {f"bench_near.{name}": entry for name, entry in RESULTS.items()},
    }
    folder = tmp_path / "results" / "m"
    folder.mkdir(parents=True)
    machine = {"cpu": "A processor", "num_cpu": "2", "ram": str(24 * 2**30)}
    (folder / "machine.json").write_text(json.dumps(machine))
    (folder / "0123-python.json").write_text(json.dumps(run))
    (folder.parent / "benchmarks.json").write_text(json.dumps({**known, "version": 2}))
    (tmp_path / "bench_near.py").write_text(BENCH)
    return folder.parent


def test_page(script, results):
    path = script["newest"](results)
    page = script["make_page"](path, folder=results.parent)
    assert "- machine: 2 cores of A processor, 24 GiB\n- commit: 01234567\n" in page
    assert f"numpy {__import__('numpy').__version__}" in page
    section = page[page.index("## near") :]
    assert section == (
        "## near\n\nSearching, beside a peer.\n\n"
        "| benchmark | parameters | value | what it is |\n| --- | --- | --- | --- |\n"
        "| `SearchBesidePeer.track_speedup` |  | 13 "
        "| The same, with the peer in the same run. |\n"
        "| `Search.time_search` | size 10, kind a b | 1.23 ms | Search in a bank. |\n"
        "|  | size 10, kind c | 2.5 s |  |\n"
        "|  | size 2000, kind a b | failed |  |\n"
        "|  | size 2000, kind c | skipped |  |\n"
        "| `SearchBesidePeer.time_search` | size 10, kind c | failed "
        "| The same, with the peer in the same run. |\n"
        "| `Search.peakmem_search` |  | 300 MiB | Memory \\| of it. |\n"
    )


def test_without_results_it_is_said_how_to_get_them(script, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"README\.md says how asv runs"):
        script["newest"](tmp_path)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "seconds", "0 ns"),
        (4.2e-7, "seconds", "420 ns"),
        (3e-5, "seconds", "30 µs"),
        (999.6, "seconds", "1000 s"),
        (0.9996, "ratio", "1 ratio"),
        (0.04567, "", "0.0457"),
        (1234567, "images", "1234567 images"),
        (-2.5, "", "-2.5"),
    ],
)
def test_quantities_have_three_digits(script, value, unit, text):
    assert script["quantity"](value, unit) == text


def test_every_benchmark_says_what_it_is(script):
    texts = script["read_docstrings"]()
    assert len(texts) > 60
    prefixes = ("track_", "time_", "peakmem_")
    silent = [
        name
        for name, text in texts.items()
        if not text
        and (name.count(".") == 0 or name.split(".")[2].startswith(prefixes))
    ]
    assert not silent
