"""Options that several commands share, and the types of their values."""

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import Any, NoReturn

PREPROCESSING = ("gray-world", "max-rgb", "homomorphic")
"""Steps before the detector that the command line knows."""

BACKENDS = ("loky", "dask")
"""Engines of joblib that `skuad infer` runs on."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest name for a wrong one."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong:
            known = [name.strip(" '") for name in wrong[2].split(",")]
            message += _nearest(wrong[1], known)
        wrong = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if wrong:
            message += _nearest(wrong[1], self.known_options())
        self.exit(2, f"skuad: error: {message} (see {self.prog} --help)\n")

    def parse_args(self, *args: Any, **kwargs: Any) -> Any:
        """Parse; the command's own parser hears of what nobody knows."""
        known, unknown = self.parse_known_args(*args, **kwargs)
        if unknown:
            parser = self.commands().get(getattr(known, "command", None) or "", self)
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known

    def known_options(self) -> list[str]:
        """List the long options of this command, or of all commands."""
        options: list[str] = []
        for parser in [self, *self.commands().values()]:
            for action in parser._actions:
                options += [o for o in action.option_strings if o.startswith("--")]
        return options

    def commands(self) -> dict[str, "Parser"]:
        """Return the parsers of the commands below this one, by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return action.choices
        return {}


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f". Did you mean {near[0]!r}?" if near else ""


def count(text: str) -> int:
    """Read a whole number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value


def rate(text: str) -> float:
    """Read a share between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, got {text}")
    return value


def processes(text: str) -> int:
    """Read a number of processes, as joblib counts them."""
    value = int(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be 1 or more, or -1 for one per core")
    return value


# What argparse calls them when int() or float() fails.
count.__name__ = processes.__name__ = "whole number"


def add_out_folder(parser: Parser) -> None:
    """Add the folder that a command writes to."""
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="folder to write to"
    )


def add_recursive(parser: Parser) -> None:
    """Add the option that looks into sub-folders."""
    parser.add_argument(
        "-r", "--recursive", action="store_true", help="look into sub-folders too"
    )


def add_dataset(parser: Parser) -> None:
    """Add what names a data set and its categories."""
    parser.add_argument("dataset", metavar="DATASET", help="mvtec_ad, folder, ...")
    parser.add_argument("root", metavar="ROOT", help="folder of the data set")
    parser.add_argument(
        "--category",
        nargs="+",
        metavar="C",
        help="categories, or all (a folder needs none)",
    )
    parser.add_argument(
        "--missing-mask",
        choices=["raise", "zero", "skip"],
        default="raise",
        help="an anomalous image without a mask stops, counts for image metrics only, "
        "or is left out (%(default)s)",
    )


def add_detector(parser: Parser, *, false_alarm_rate: float) -> None:
    """Add the options that describe an estimator, see `skuad.cli._build`."""
    group = parser.add_argument_group("detector")
    group.add_argument(
        "--detector",
        metavar="NAME",
        help="a detector of `skuad detectors`, or a file of `skuad fit` whose settings "
        "are taken (PatchKNN)",
    )
    group.add_argument(
        "--set",
        action="append",
        metavar="PARAM=VALUE",
        default=[],
        help="a parameter of the detector, such as n_neighbors=3; may be repeated. "
        "Parts have theirs after two underscores: embedder__stride=4. A value may be "
        "the name of an estimator: embedder=TimmEmbedder",
    )
    group.add_argument(
        "--pipeline",
        metavar="MODULE:FUNCTION",
        help="a function of your own, called without arguments, that returns the "
        "estimator, with its preprocessing, region and tiles",
    )
    group.add_argument(
        "--preprocess",
        action="append",
        choices=PREPROCESSING,
        default=[],
        help="white balance or flattening of light, before all else; may be repeated",
    )
    group.add_argument(
        "--false-alarm-rate",
        type=rate,
        metavar="RATE",
        help=f"share of good images that may be flagged ({false_alarm_rate}; that of a "
        "file or function)",
    )
    parser.set_defaults(usual_rate=false_alarm_rate)
    group.add_argument(
        "--max-patches",
        type=count,
        metavar="N",
        help="patches that are kept while fitting, which bounds memory (200000)",
    )
    group.add_argument(
        "--roi",
        metavar="FILE",
        help="mask image, bright where to look; all else is dark",
    )
    group.add_argument(
        "--seed", type=int, metavar="N", help="seed (0; that of a file or function)"
    )
    group.add_argument(
        "--n-jobs",
        type=processes,
        metavar="N",
        help="processes in parallel; -1 for one per core (1)",
    )
    add_tiles(parser)


def add_tiles(parser: Parser) -> argparse._ArgumentGroup:
    """Add the options of tiles; return their group."""
    group = parser.add_argument_group("tiles, for high-resolution images")
    group.add_argument(
        "--tile-size", type=count, metavar="PIXELS", help="cut images into such tiles"
    )
    group.add_argument(
        "--tile-stride",
        type=count,
        metavar="PIXELS",
        help="distance between tiles, at most their size (their size)",
    )
    group.add_argument(
        "--tile-reduce",
        choices=["blend", "mean", "max"],
        help="how maps are put together where tiles overlap (blend)",
    )
    return group
