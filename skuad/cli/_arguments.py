"""Commands and their arguments; nothing heavy is imported here."""

import argparse
from functools import partial

from skuad import __version__
from skuad.cli import _texts
from skuad.cli._options import (
    BACKENDS,
    Parser,
    add_dataset,
    add_detector,
    add_out_folder,
    add_recursive,
    add_tiles,
    count,
    processes,
    rate,
)

_FORMAT = partial(argparse.RawDescriptionHelpFormatter, max_help_position=24)


class _CommandList(argparse.RawDescriptionHelpFormatter):
    """Keeps a command and what is said of it on one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=16)
        self._action_max_length = 14  # argparse forgets how far they are indented


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="skuad",
        description=_texts.PROGRAM,
        epilog=_texts.PROGRAM_END,
        formatter_class=_CommandList,
    )
    parser.add_argument("--version", action="version", version=f"skuad {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=Parser
    )
    common = Parser(add_help=False)
    group = common.add_argument_group("output")
    group.add_argument(
        "--json", action="store_true", help="results as one line of JSON on stdout"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="no progress")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="tracebacks of errors"
    )

    def add(name: str, summary: str, description: str) -> Parser:
        return commands.add_parser(
            name,
            help=summary,
            description=description,
            parents=[common],
            formatter_class=_FORMAT,
        )

    _add_demo(add("demo", "see it work on real textures", _texts.DEMO))
    _add_fit(add("fit", "learn from images of good parts", _texts.FIT))
    _add_infer(add("infer", "find defects in images", _texts.INFER))
    _add_benchmark(add("benchmark", "fit and score on a data set", _texts.BENCHMARK))
    _add_tune(add("tune", "find the best parameters on a data set", _texts.TUNE))
    _add_report(add("report", "write results as one HTML file", _texts.REPORT))
    _add_datasets(add("datasets", "list data sets, check a folder", _texts.DATASETS))
    _add_detectors(add("detectors", "list detectors, parameters", _texts.DETECTORS))
    _add_weights(add("weights", "weights of networks on this machine", _texts.WEIGHTS))
    add("doctor", "say what is installed, and what is wrong with it", _texts.DOCTOR)
    _add_completion(add("completion", "completion in your shell", _texts.COMPLETION))
    return parser


def _add_demo(parser: Parser) -> None:
    parser.add_argument(
        "--out",
        metavar="DIR",
        default="skuad-demo",
        help="folder to write to (%(default)s)",
    )
    parser.add_argument(
        "--texture",
        nargs="+",
        metavar="NAME",
        default=["brick", "grass", "gravel"],
        help="textures: photographs (brick, grass, gravel; the default) or rendered "
        "ones (noise, weave, brushed, printed)",
    )
    add_detector(parser, false_alarm_rate=0.1)
    parser.set_defaults(no_resume=True)  # the images are new


def _add_fit(parser: Parser) -> None:
    parser.add_argument(
        "images",
        nargs="+",
        metavar="GOOD_IMAGES",
        help="folders, files or globs of images without defects",
    )
    parser.add_argument(
        "--out", metavar="FILE", required=True, help="file to write, such as m.joblib"
    )
    add_recursive(parser)
    parser.add_argument(
        "--on-error",
        choices=["raise", "skip"],
        default="raise",
        help="stop at a file that cannot be read, or leave it out (%(default)s)",
    )
    add_detector(parser, false_alarm_rate=0.01)


def _add_infer(parser: Parser) -> None:
    parser.add_argument("model", metavar="FILE", help="file that `skuad fit` wrote")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGES", help="folders, files or globs of images"
    )
    add_out_folder(parser)
    add_recursive(parser)
    parser.add_argument(
        "--csv", action="store_true", help="write predictions.csv too, at the end"
    )
    parser.add_argument("--maps", action="store_true", help="write anomaly maps too")
    parser.add_argument(
        "--map-format",
        choices=["npy", "tiff"],
        default="npy",
        help="format of the anomaly maps (%(default)s)",
    )
    parser.add_argument(
        "--overlays",
        choices=["all", "anomalous", "none"],
        default="all",
        help="images that get an overlay picture (%(default)s)",
    )
    parser.add_argument(
        "--no-overlays",
        dest="overlays",
        action="store_const",
        const="none",
        help="the same as --overlays none",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out images that have a line in predictions.jsonl, whose relative "
        "paths start from the present folder; those that failed are tried again",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="wait for images that are written into the folders, until Ctrl-C; a file "
        "is taken once it is whole and no longer grows",
    )
    parser.add_argument(
        "--calibrate",
        nargs="+",
        metavar="GOOD_IMAGES",
        help="set the threshold anew, on good images that were not trained on",
    )
    parser.add_argument(
        "--false-alarm-rate",
        type=rate,
        metavar="RATE",
        help="with --calibrate: share of good images that may be flagged (the file's)",
    )
    group = parser.add_argument_group("parallel")
    group.add_argument(
        "--jobs",
        type=processes,
        metavar="N",
        help="images in parallel on so many processes; -1 for one per core (1)",
    )
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="joblib's engine: loky for processes, dask for a cluster (loky)",
    )
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="with --backend dask: a scheduler that runs, such as "
        "tcp://10.0.0.5:8786, whose workers see the same folders (one is started here)",
    )
    group = add_tiles(parser)
    group.description = (
        "A file fitted with tiles takes another stride or reduce. One fitted on whole\n"
        "images is run on tiles, and needs --calibrate for decisions."
    )


def _add_benchmark(parser: Parser) -> None:
    add_dataset(parser)
    add_out_folder(parser)
    parser.add_argument(
        "--no-resume",
        action="store_true",
        help="run categories again that are finished; else those of the same settings, "
        "images and version are kept",
    )
    add_detector(parser, false_alarm_rate=0.01)


def _add_tune(parser: Parser) -> None:
    add_dataset(parser)
    add_out_folder(parser)
    group = parser.add_argument_group("search")
    group.add_argument(
        "--grid",
        action="append",
        required=True,
        metavar="PARAM=V1,V2,...",
        help="values to try, or a JSON or YAML file; may be repeated",
    )
    group.add_argument(
        "--metric",
        metavar="NAME",
        help="what is best: aupro, pixel_roc_auc, image_roc_auc, ... (aupro; "
        "image_roc_auc for data without masks)",
    )
    group.add_argument(
        "--folds", type=count, metavar="K", default=3, help="folds (%(default)s)"
    )
    group.add_argument(
        "--n-iter",
        type=count,
        metavar="N",
        help="try so many combinations, drawn at random (all)",
    )
    group.add_argument(
        "--cache", metavar="DIR", help="where finished folds are kept (OUT/cache)"
    )
    add_detector(parser, false_alarm_rate=0.01)


def _add_report(parser: Parser) -> None:
    parser.add_argument(
        "result",
        metavar="RESULT",
        help="folder that `skuad benchmark` or `skuad demo` wrote",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="file to write (report.html in RESULT)"
    )
    parser.add_argument(
        "--title", default="Anomaly detection report", help="heading (%(default)s)"
    )
    parser.add_argument(
        "--examples",
        type=count,
        metavar="N",
        default=12,
        help="misses and false alarms to show, each, per category (%(default)s)",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        metavar="N",
        default=500,
        help="resamples for the intervals of pixel metrics, 0 for none (%(default)s)",
    )


def _add_datasets(parser: Parser) -> None:
    parser.add_argument(
        "dataset", nargs="?", metavar="DATASET", help="a data set to check"
    )
    parser.add_argument("root", nargs="?", metavar="ROOT", help="its folder")


def _add_detectors(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a detector")


def _add_weights(parser: Parser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=["list", "check", "add"],
        default="list",
        help="list them, read them and compare their SHA-256, or add a file (list)",
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="with add: the file")
    parser.add_argument("--name", help="with add: the name to find it by (the file's)")
    parser.add_argument("--sha256", metavar="HEX", help="with add: the publisher's")
    parser.add_argument("--licence", metavar="TEXT", help="with add: for the record")


def _add_completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh"], help="the shell")
