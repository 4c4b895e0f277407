"""The order of the gallery: as one would read it, and new examples at the end."""

_FIRST = [
    "plot_first_pipeline.py",
    "plot_tile_4k_image.py",
    "plot_any_estimator.py",
    "plot_tune_on_aupro.py",
    "plot_calibration.py",
    "plot_robustness.py",
]


class ReadingOrder:
    """A key to sort file names by; sphinx-gallery makes it with the folder."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name):
        return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)

    def __repr__(self):  # part of the configuration that builds compare
        return "ReadingOrder"
