"""Pictures of images and their anomaly maps."""

from skuad.inspection._overlay import displayable, montage, overlay, panel

__all__ = ["displayable", "montage", "overlay", "panel"]
