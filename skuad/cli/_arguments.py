"""Commands and their arguments; nothing heavy is imported here."""

import argparse
import difflib
import re

from skuad import __version__

PREPROCESSING = ("gray-world", "max-rgb", "homomorphic")
"""Steps before the detector that the command line knows."""

_DESCRIPTION = """\
Learn what good parts look like, and find what differs.

  skuad demo                                       see it work on real textures
  skuad fit good/ --out line3.joblib               learn from images of good parts
  skuad infer line3.joblib new/ --out result/      find defects in new images
  skuad benchmark mvtec_ad ROOT --category bottle --out result/
"""

_FIT = """\
Learn from images of good parts and write the fitted estimator to a file.

The threshold is set so that --false-alarm-rate of good images would be flagged, by
scores of training images that were held out. In Python, joblib.load(FILE) gives the
scikit-learn estimator itself.

  skuad fit good/ --out line3.joblib
  skuad fit good/ --out line3.joblib --preprocess gray-world --tile-size 512
"""

_INFER = """\
Find defects in images. --out then holds

  predictions.jsonl   one line of JSON per image: path; score (the anomaly score: high
                      is anomalous); threshold; decision, "anomalous" where the score is
                      above the threshold, else "good" (null without a threshold); or,
                      for an image that failed, error
  overlays/           PNG pictures: the image, and its anomaly map as heat. Pixels above
                      the threshold are outlined
  maps/               with --maps: float32 anomaly maps (H, W) as .npy

An image that cannot be read is reported, the others go on, and the exit code is 1.
FILE must come from someone you trust: loading it can run any code.
"""

_BENCHMARK = """\
Fit on the good training images of a data set, and score its test images. --out then
holds results.json, predictions.jsonl, overview.png, overlays/ and models/.

DATASET is mvtec_ad (ROOT/CATEGORY/{train,test,ground_truth}; a folder of your own that
is laid out alike will do), another data set of skuad.datasets, or folder (ROOT with a
folder of good images and others; see skuad.datasets.load_image_folder). Without a
training split, the last third of the good images is held out for the test.

  skuad benchmark mvtec_ad data/mvtec --category bottle hazelnut --out result/
  skuad benchmark folder photos/ --out result/
"""

_DEMO = """\
Make images of real textures with planted defects, fit on the good ones, and score the
others. Takes about a minute; needs no network and no weights. --out then holds

  overview.png        some of the pictures on one sheet
  overlays/           a picture of every test image: the true defect outlined in cyan,
                      the pixels above the threshold in white
  results.json, predictions.jsonl, models/
  images/             the images themselves, laid out like MVTec AD
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest name for a wrong one."""

    def error(self, message):
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong:
            known = [name.strip(" '") for name in wrong[2].split(",")]
            near = difflib.get_close_matches(wrong[1], known, n=1, cutoff=0.5)
            if near:
                message += f". Did you mean {near[0]!r}?"
        self.exit(2, f"skuad: error: {message} (see {self.prog} --help)\n")


def _count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return value


def _rate(text):
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, got {text}")
    return value


# What argparse calls them when int() or float() fails.
_count.__name__ = "whole number"
_rate.__name__ = "rate"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="skuad",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skuad {__version__}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=_Parser
    )
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("output")
    group.add_argument("-q", "--quiet", action="store_true", help="no progress bars")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="tracebacks of errors"
    )

    def add(name, summary, description):
        return commands.add_parser(
            name,
            help=summary,
            description=description,
            parents=[common],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_demo(add("demo", "see it work on real textures", _DEMO))
    _add_fit(add("fit", "learn from images of good parts", _FIT))
    _add_infer(add("infer", "find defects in images", _INFER))
    _add_benchmark(add("benchmark", "fit and score on a data set", _BENCHMARK))
    return parser


def _add_demo(parser):
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
    _add_detector(parser, false_alarm_rate=0.1)


def _add_fit(parser):
    parser.add_argument(
        "images",
        nargs="+",
        metavar="GOOD_IMAGES",
        help="folders, files or globs of images without defects",
    )
    parser.add_argument(
        "--out", metavar="FILE", required=True, help="file to write, such as m.joblib"
    )
    _add_recursive(parser)
    parser.add_argument(
        "--on-error",
        choices=["raise", "skip"],
        default="raise",
        help="stop at a file that cannot be read, or leave it out (%(default)s)",
    )
    _add_detector(parser, false_alarm_rate=0.01)


def _add_infer(parser):
    parser.add_argument("model", metavar="FILE", help="file that `skuad fit` wrote")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGES", help="folders, files or globs of images"
    )
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="folder to write to"
    )
    _add_recursive(parser)
    parser.add_argument(
        "--maps", action="store_true", help="write anomaly maps as .npy too"
    )
    parser.add_argument(
        "--no-overlays", action="store_true", help="write no overlay pictures"
    )
    parser.add_argument(
        "--calibrate",
        nargs="+",
        metavar="GOOD_IMAGES",
        help="set the threshold anew, on good images that were not trained on",
    )
    parser.add_argument(
        "--false-alarm-rate",
        type=_rate,
        metavar="RATE",
        help="with --calibrate: share of good images that may be flagged (the file's)",
    )
    group = _add_tiles(parser)
    group.description = (
        "A file fitted with tiles takes another stride or reduce. One fitted on whole\n"
        "images is run on tiles, and needs --calibrate for decisions."
    )


def _add_benchmark(parser):
    parser.add_argument("dataset", metavar="DATASET", help="mvtec_ad, folder, ...")
    parser.add_argument("root", metavar="ROOT", help="folder of the data set")
    parser.add_argument(
        "--category",
        nargs="+",
        metavar="C",
        help="categories, or all (a folder needs none)",
    )
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="folder to write to"
    )
    parser.add_argument(
        "--missing-mask",
        choices=["raise", "zero", "skip"],
        default="raise",
        help="an anomalous image without a mask stops, counts for image metrics only, "
        "or is left out (%(default)s)",
    )
    _add_detector(parser, false_alarm_rate=0.01)


def _add_recursive(parser):
    parser.add_argument(
        "-r", "--recursive", action="store_true", help="look into sub-folders too"
    )


def _add_detector(parser, *, false_alarm_rate):
    group = parser.add_argument_group("detector")
    group.add_argument(
        "--preprocess",
        action="append",
        choices=PREPROCESSING,
        default=[],
        help="white balance or flattening of light, before all else; may be repeated",
    )
    group.add_argument(
        "--false-alarm-rate",
        type=_rate,
        metavar="RATE",
        default=false_alarm_rate,
        help="share of good images that may be flagged (%(default)s)",
    )
    group.add_argument(
        "--max-patches",
        type=_count,
        metavar="N",
        default=200_000,
        help="patches that are kept while fitting, which bounds memory (%(default)s)",
    )
    group.add_argument(
        "--roi",
        metavar="FILE",
        help="mask image, bright where to look; all else is dark",
    )
    group.add_argument(
        "--seed", type=int, metavar="N", default=0, help="seed (%(default)s)"
    )
    group.add_argument(
        "--n-jobs",
        type=int,
        metavar="N",
        help="processes that calibrate in parallel; -1 for one per core (1)",
    )
    _add_tiles(parser)


def _add_tiles(parser):
    group = parser.add_argument_group("tiles, for high-resolution images")
    group.add_argument(
        "--tile-size", type=_count, metavar="PIXELS", help="cut images into such tiles"
    )
    group.add_argument(
        "--tile-stride",
        type=_count,
        metavar="PIXELS",
        help="distance between tiles, at most their size (their size)",
    )
    group.add_argument(
        "--tile-reduce",
        choices=["blend", "mean", "max"],
        help="how maps are put together where tiles overlap (blend)",
    )
    return group
