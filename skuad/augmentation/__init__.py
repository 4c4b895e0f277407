"""Changes to images: so far the planted defects of generated data, not yet public."""

__all__: list[str] = []
