"""What metrics accept as anomaly maps."""

from collections.abc import Sequence

import numpy as np

from skuad.utils._typing import Array, MapsLike


class Maps(Sequence[Array]):
    """One anomaly map (H, W) per image, checked on access.

    Parameters
    ----------
    maps : array of shape (n, H, W) or (n, w), or sequence of arrays (H, W)
        Rows of a 2-D array are line scans of 1 x w pixels.
    """

    def __init__(self, maps: MapsLike) -> None:
        if not hasattr(maps, "__getitem__") or hasattr(maps, "iloc"):
            maps = list(maps)
        if isinstance(maps, np.ndarray) and maps.dtype != object:
            if maps.ndim not in (2, 3):
                raise ValueError(
                    f"maps has shape {maps.shape}; anomaly maps have shape (n, H, W), "
                    "or (n, w) for line scans."
                )
        self._maps = maps
        self.are_rows = len(maps) > 0 and np.ndim(maps[0]) == 1

    def __len__(self) -> int:
        return len(self._maps)

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]  # no slices
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
        return values.view(np.uint8) if values.dtype.kind == "b" else values

    def finite(self, index: int) -> Array:
        """Return a map that holds no NaN and no infinity, or raise."""
        values = self[index]
        if values.dtype.kind == "f" and values.size:
            # The extremes carry a NaN along and are much cheaper than isfinite.
            if not (np.isfinite(values.min()) and np.isfinite(values.max())):
                raise ValueError(f"maps[{index}] contains NaN or infinity.")
        return values
