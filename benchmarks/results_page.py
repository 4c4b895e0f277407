"""The page of asv's results: ``python -m benchmarks.results_page``.

It writes ``doc/benchmarks.md`` from the newest file below ``benchmarks/results``. What is
measured is said by the docstrings of the benchmarks. Run it in the environment that asv
ran in: the versions on the page are those that are installed where it is made.
"""

import argparse
import ast
import itertools
import json
import math
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

BENCHMARKS = Path(__file__).parent
PAGE = BENCHMARKS.parent / "doc" / "benchmarks.md"
PACKAGES = (
    "numpy", "scipy", "scikit-learn", "opencv-python-headless", "torch", "timm",
    "open_clip_torch", "anomalib",
)  # fmt: skip
KINDS = ("track", "time", "peakmem")  # ratios first


def newest(folder):
    """Return the path of the newest results of any machine.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    files = [
        path
        for path in Path(folder).glob("*/*.json")
        if path.name not in ("machine.json", "benchmarks.json")
    ]
    if not files:
        raise FileNotFoundError(
            f"there are no results in {folder}: benchmarks/README.md says how asv runs"
        )
    return max(files, key=lambda path: path.stat().st_mtime)


def read_results(path):
    """Return commit, machine, and the values of every benchmark by its name.

    Values are a list of (parameters, value), where the parameters are a list of strings
    and the value is None if the benchmark failed, nan if it was skipped.
    """
    run = json.loads(path.read_text())
    machine = json.loads((path.parent / "machine.json").read_text())
    values = {}
    for name, entry in run["results"].items():
        # Columns at the end that are empty are left out.
        entry = dict(zip(run["result_columns"], entry, strict=False))
        combinations = list(itertools.product(*entry["params"]))
        results = entry["result"] or [None] * len(combinations)
        values[name] = list(zip(combinations, results, strict=True))
    return run["commit_hash"], machine, values


def read_docstrings(folder=BENCHMARKS):
    """Return the first line of what is said of modules, classes and methods, by name.

    Of a method without a docstring it is that of its class; of a class that has none
    or inherits the method, that of the class it is from. Nothing is imported.
    """
    texts = {}
    for path in sorted(Path(folder).glob("bench_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        texts[path.stem] = first_line(module)
        methods = {}
        for node in module.body:
            if not isinstance(node, ast.ClassDef):
                continue
            inherited = {}
            for base in node.bases:
                inherited |= methods.get(ast.unparse(base), {})
            own = first_line(node)
            methods[node.name] = {
                **{name: own or text for name, text in inherited.items()},
                **{
                    method.name: first_line(method) or own
                    for method in node.body
                    if isinstance(method, ast.FunctionDef)
                },
            }
            for name, text in methods[node.name].items():
                texts[f"{path.stem}.{node.name}.{name}"] = text
    return texts


def first_line(node):
    """Return the first line of a docstring, or an empty string."""
    return (ast.get_docstring(node) or "").split("\n")[0]


def quantity(value, unit):
    """Return a number with three digits and its unit, in the units of people.

    Examples
    --------
    >>> quantity(0.0123456, "seconds"), quantity(3 * 2**20, "bytes"), quantity(1.234, "")
    ('12.3 ms', '3 MiB', '1.23')
    """
    if value is None:
        return "failed"
    if math.isnan(value):
        return "skipped"
    if unit == "seconds":
        unit, factor = next(
            (unit, factor)
            for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))
            if abs(value) * factor >= 1 or unit == "ns"
        )
        value *= factor
    elif unit == "bytes":
        unit, value = "MiB", value / 2**20
    digits = (
        0 if abs(value) >= 100 or value == 0 else 2 - math.floor(math.log10(abs(value)))
    )
    number = f"{value:.{digits}f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number} {unit}".strip()


def installed():
    """Return names and versions of what the numbers depend on."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)


def tables(values, units, texts):
    """Yield the lines of a section per file of benchmarks."""
    names = sorted(
        values, key=lambda name: (name.split(".")[0], KINDS.index(kind(name)), name)
    )
    for module, group in itertools.groupby(names, lambda name: name.split(".")[0]):
        yield from ("", f"## {module.removeprefix('bench_').replace('_', ' ')}", "")
        yield from (texts.get(module, ""), "")
        yield "| benchmark | parameters | value | what it is |"
        yield "| --- | --- | --- | --- |"
        for name in group:
            unit, param_names = units.get(name, ("", ()))
            title, text = f"`{name.partition('.')[2]}`", texts.get(name, "")
            for combination, value in values[name]:
                parameters = ", ".join(
                    f"{key} {part.strip(chr(39))}"
                    for key, part in zip(param_names, combination, strict=False)
                )
                cells = (title, parameters, quantity(value, unit), text)
                yield (
                    "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
                )
                title = text = ""


def kind(name):
    """Return the kind of a benchmark: "track", "time" or "peakmem"."""
    return name.rpartition(".")[2].split("_")[0]


def make_page(path, *, folder=BENCHMARKS):
    """Return the page of a file of results."""
    commit, machine, values = read_results(path)
    known = json.loads((path.parents[1] / "benchmarks.json").read_text())
    units = {
        name: ("" if entry["unit"] == "unit" else entry["unit"], entry["param_names"])
        for name, entry in known.items()
        if name != "version"
    }
    memory = float(machine["ram"]) / 2**30
    lines = [
        "<!-- Made by `python -m benchmarks.results_page`. -->",
        "# Speed and memory",
        "",
        "Measured by the [asv](https://asv.readthedocs.io) classes in",
        "`benchmarks/`, whose README says how to run them and how to look for what a",
        "change made slower. Names are those of `asv run --bench`. What begins with",
        "`track_` is mostly a ratio, for which skuad and its peer ran in turns in one",
        "process; it says more than times, which hold for one machine. `peakmem_` is",
        "the memory of a whole process.",
        "",
        f"- machine: {machine['num_cpu']} cores of {machine['cpu']}, {memory:.0f} GiB",
        f"- commit: {commit[:8]}",
        f"- versions: {installed()}",
        *tables(values, units, read_docstrings(folder)),
    ]
    return "\n".join(lines) + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=BENCHMARKS / "results")
    parser.add_argument("--out", type=Path, default=PAGE)
    args = parser.parse_args(arguments)
    path = newest(args.results)
    args.out.write_text(make_page(path), encoding="utf-8")
    print(f"{args.out} from {path}")


if __name__ == "__main__":
    main()
