"""What metrics accept as anomaly maps."""

from collections.abc import Sequence

import numpy as np


class Maps(Sequence):
    """One anomaly map (H, W) per image, checked on access.

    Parameters
    ----------
    maps : array of shape (n, H, W) or (n, w), or sequence of arrays (H, W)
        Rows of a 2-D array are line scans of 1 x w pixels.
    """

    def __init__(self, maps):
        if hasattr(maps, "iloc") or not hasattr(maps, "__getitem__"):
            maps = np.asarray(maps) if hasattr(maps, "__array__") else list(maps)
        if isinstance(maps, np.ndarray) and maps.dtype != object:
            if maps.ndim not in (2, 3):
                raise ValueError(
                    f"maps has shape {maps.shape}; anomaly maps have shape (n, H, W), "
                    "or (n, w) for line scans."
                )
        self._maps = maps

        self.are_rows = len(self) > 0 and np.ndim(maps[0]) == 1

    def __len__(self):
        return len(self._maps)

    def shape(self, index):
        """Shape (H, W) of a map."""
        shape = np.shape(self._maps[index])
        return shape if len(shape) == 2 else (1, *shape)

    def __getitem__(self, index):
        values = np.asarray(self._maps[index])
        if values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
            raise ValueError(
                f"maps[{index}] has dtype {values.dtype}; an anomaly map is an array "
                "of real numbers of at most 64 bits."
            )
        if values.ndim == 1:
            values = values[None]
        if values.ndim != 2:
            raise ValueError(
                f"maps[{index}] has shape {values.shape}; an anomaly map has shape "
                "(H, W)."
            )
        if values.dtype.kind == "b":
            return values.view(np.uint8)
        if values.dtype.kind == "f" and values.size:
            # The extremes carry a NaN along and are much cheaper than isfinite.
            if not (np.isfinite(values.min()) and np.isfinite(values.max())):
                raise ValueError(f"maps[{index}] contains NaN or infinity.")
        return values
