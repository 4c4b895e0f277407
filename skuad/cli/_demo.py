"""skuad demo: real textures with planted defects, from images on disk to a table."""

import os

from skuad.cli._benchmark import score_all
from skuad.cli._build import build_estimator
from skuad.cli._files import make_folder
from skuad.cli._model import final_step
from skuad.cli._scoring import Category
from skuad.datasets import make_defect_images
from skuad.datasets._names import check_name
from skuad.datasets._textures import FAMILIES, TINTS
from skuad.io import write_image


def run(args, console) -> int:
    """Run the command; return its exit code."""
    textures = list(dict.fromkeys(args.texture))
    for texture in textures:
        check_name(texture, [*TINTS, *FAMILIES], "texture")
    make_folder(args.out)
    folder = os.path.join(args.out, "images")
    categories = []
    with console.progress(textures, what="making images", unit="texture") as progress:
        for texture in progress:
            data = make_defect_images(texture, random_state=args.seed)
            categories.append(_write_images(texture, data, folder))
    first = categories[0]
    name = type(final_step(build_estimator(args))).__name__
    console.say(
        f"{name} on {len(categories)} texture(s): {len(first.train)} good images to "
        f"learn from, {len(first.test)} to score, each"
    )
    console.say()
    score_all(
        categories, args, console, data={"name": "make_defect_images"}, first="texture"
    )
    if any(texture in TINTS for texture in textures):
        console.say()
        console.say(
            f"The thresholds aim at {args.false_alarm_rate:.0%} false alarms on images "
            "like those learnt from;\nthe test images of a photograph come from "
            "another part of it."
        )
    model = _join(args.out, "models", f"{first.name}.joblib")
    images = _join(folder, first.name, "test", first.kinds[-1])
    console.say()
    console.say("Next, run a fitted detector on images:")
    console.say(f"  skuad infer {model} {images} --out {_join(args.out, 'try')}")
    console.say("or fit one on your own:")
    console.say("  skuad fit folder/of/good/images --out my.joblib")
    return 0


def _join(*parts):
    path = os.path.join(*parts)
    return f'"{path}"' if " " in path else path


def _write_images(texture, data, folder) -> Category:
    """Write a generated data set in the layout of MVTec AD."""
    root = os.path.join(folder, texture)

    def write(image, *place):
        path = os.path.join(root, *place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_image(path, image)
        return path

    train = [
        write(image, "train", "good", f"{number:03d}.png")
        for number, image in enumerate(data.train)
    ]
    test, masks, numbers = [], [], {}
    for image, mask, kind in zip(data.test, data.masks, data.defect_type, strict=True):
        number = numbers[kind] = numbers.get(kind, -1) + 1
        test.append(write(image, "test", kind, f"{number:03d}.png"))
        masks.append("")
        if kind != "good":
            stored = mask.astype("uint8") * 255
            masks[-1] = write(stored, "ground_truth", kind, f"{number:03d}_mask.png")
    kinds = data.defect_type.tolist()
    return Category(texture, train, test, data.target.tolist(), masks, kinds)
