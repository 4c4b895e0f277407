"""skuad demo: real textures with planted defects, from images on disk to a table."""

import os
from argparse import Namespace

from sklearn.utils import Bunch

from skuad.base import final_step
from skuad.cli._benchmark import score_all
from skuad.cli._build import build_estimator
from skuad.cli._console import Console
from skuad.cli._files import make_folder
from skuad.datasets import make_defect_images
from skuad.datasets._names import check_name
from skuad.datasets._textures import FAMILIES, TINTS
from skuad.io import write_image
from skuad.utils._text import plural
from skuad.utils._typing import Array


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    textures = list(dict.fromkeys(args.texture))
    for texture in textures:
        check_name(texture, [*TINTS, *FAMILIES], "texture")
    make_folder(args.out)
    folder = os.path.join(args.out, "images")
    categories = {}
    with console.progress(textures, what="making images", unit="texture") as progress:
        for texture in progress:
            data = make_defect_images(texture, random_state=args.seed or 0)
            place = os.path.join(folder, texture)
            categories[texture] = _write_images(data, place)
    n_train, n_test = len(data.train), len(data.test)
    detector = final_step(build_estimator(args))
    name, rate = type(detector).__name__, getattr(detector, "false_alarm_rate", None)
    console.say(
        f"{name} on {plural(len(categories), 'texture')}: {n_train} good images to "
        f"learn from, {n_test} to score, each"
    )
    console.say()
    source = {"name": "mvtec_ad", "root": folder}
    score_all(categories, args, console, data=source, first="texture")
    if rate is not None and any(texture in TINTS for texture in textures):
        console.say()
        console.say(
            f"The thresholds aim at {rate:.0%} false alarms on images "
            "like those learnt from;\nthe test images of a photograph come from "
            "another part of it."
        )
    model = _join(args.out, "models", f"{textures[0]}.joblib")
    images = _join(folder, textures[0], "test", data.defect_type[-1])
    console.say()
    console.say("Next, run a fitted detector on images:")
    console.say(f"  skuad infer {model} {images} --out {_join(args.out, 'try')}")
    console.say("or fit one on your own:")
    console.say("  skuad fit folder/of/good/images --out my.joblib")
    return 0


def _join(*parts: str) -> str:
    path = os.path.join(*parts)
    return f'"{path}"' if " " in path else path


def _write_images(data: Bunch, root: str) -> Bunch:
    """Write a generated data set in the layout of MVTec AD; return what was written."""

    def write(image: Array, *place: str) -> str:
        path = os.path.join(root, *place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_image(path, image)
        return path

    images = [
        write(image, "train", "good", f"{number:03d}.png")
        for number, image in enumerate(data.train)
    ]
    masks, n_train = [""] * len(images), len(images)
    numbers: dict[str, int] = {}
    for image, mask, kind in zip(data.test, data.masks, data.defect_type, strict=True):
        number = numbers[kind] = numbers.get(kind, -1) + 1
        images.append(write(image, "test", kind, f"{number:03d}.png"))
        masks.append("")
        if kind != "good":
            stored = mask.astype("uint8") * 255
            masks[-1] = write(stored, "ground_truth", kind, f"{number:03d}_mask.png")
    kinds = ["good"] * n_train + data.defect_type.tolist()
    return Bunch(
        images=images,
        masks=masks,
        defect_type=kinds,
        split=["train"] * n_train + ["test"] * len(data.test),
        target=[1 if kind == "good" else -1 for kind in kinds],
    )
