"""Words of messages."""


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Name a number of things, such as "1 image" or "3 images".

    Parameters
    ----------
    count : int
        How many.
    noun : str
        What one of them is called.
    many : str or None, default=None
        What several are called; None is `noun` with an s.

    Returns
    -------
    str
    """
    return f"{count} {noun if count == 1 else many or noun + 's'}"
