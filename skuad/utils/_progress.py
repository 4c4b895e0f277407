"""What a long fit is at, for those who show it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

_Item = TypeVar("_Item")
#: Hears the name of a part of the work, its number from 1 on, and how many there are.
Listener: TypeAlias = Callable[[str, int, int], object]

# Of a context and not of the process: what other threads and processes do is not told.
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a function hear, within the block, of every part of the work that begins."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell_parts(items: Iterable[_Item], total: int, name: str) -> Iterator[_Item]:
    """Yield items as they are, and tell the listener which one is taken.

    Parameters
    ----------
    items : iterable
        What is worked on, one after the other: `joblib.Parallel` takes an item when it
        begins with it, or a little earlier where there are several processes.
    total : int
        How many there are.
    name : str
        What one of them is, such as "fold".
    """
    listener = _listener.get()  # now: joblib goes on in a thread of its own
    for number, item in enumerate(items, 1):
        if listener is not None:
            listener(name, number, total)
        yield item
