"""A folder that a camera writes into."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

from skuad.io import find_images, read_image

#: Size and time of change of a file; None if it is not there.
_State: TypeAlias = tuple[int, int] | None
_Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | None

_POLL = 0.2
"""Seconds between two looks at the folders."""
_SETTLE = 0.4
"""Seconds for which a file must not have changed."""
_PATIENCE = 10.0
"""Seconds after which a file that still cannot be read is given out all the same."""


class Watcher:
    """Finds files that are new, or written anew, and whole.

    Parameters
    ----------
    folders : list of str
    recursive : bool
    leave_out : list of str
        Absolute paths of folders that do not count.
    done : set of str
        Absolute paths of files that were looked at before.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        folders: Sequence[str],
        *,
        recursive: bool,
        leave_out: Iterable[str] = (),
        done: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folders = folders
        self.recursive = recursive
        self._leave_out = tuple(folder + os.sep for folder in leave_out)
        self._clock = clock
        self._root = os.path.commonpath([os.path.abspath(path) for path in folders])
        # By path, absolute: its state, and when it was first seen so.
        self._seen: dict[str, tuple[_State, float]] = {}
        self._given = {path: _state(path) for path in done}
        # By path, what its outputs are called; and these names.
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        for path in self._given:
            self._name(path)

    def ready(self) -> Iterator[tuple[str, str]]:
        """Yield the (path, name of outputs) of files that can be read now."""
        there: set[str] = set()
        lists = [_images_in(folder, self.recursive) for folder in self.folders]
        for path in (path for paths in lists for path in paths or ()):
            place, state = os.path.abspath(path), _state(path)
            there.add(place)
            if (
                state is None  # it was moved away
                or self._given.get(place) == state
                or place.startswith(self._leave_out)
            ):
                continue
            if self._is_whole(path, place, state):
                self._given[place] = state
                del self._seen[place]
                yield path, self._name(place)
        if None not in lists:
            self._forget_all_but(there)

    def _forget_all_but(self, there: set[str]) -> None:
        """Keep in mind only the files that have not been moved away."""
        for known in (self._seen, self._given):
            for place in known.keys() - there:
                del known[place]
                self._taken.discard(self._names.pop(place, "").casefold())

    def _is_whole(self, path: str, place: str, state: _State) -> bool:
        now = self._clock()
        last, since = self._seen.get(place, (None, now))
        if last != state:
            self._seen[place] = state, now
            return False
        if now - since < _SETTLE:
            return False
        return now - since >= _PATIENCE or _is_readable(path)

    def _name(self, place: str) -> str:
        """Name outputs as `output_names` would, knowing no later file."""
        if place not in self._names:
            whole = os.path.relpath(place, self._root)
            name = os.path.splitext(whole)[0]
            name = whole if name.casefold() in self._taken else name
            while name.casefold() in self._taken:
                name += "_"
            self._names[place] = name
            self._taken.add(name.casefold())
        return self._names[place]


def watch(
    folders: Sequence[str],
    *,
    recursive: bool,
    leave_out: Iterable[str],
    done: Iterable[str],
    stopped: threading.Event,
) -> Iterator[list[tuple[str, str]]]:
    """Yield lists of (path, name of outputs) as files come, until `stopped` is set.

    Parameters
    ----------
    folders, recursive, leave_out, done
        See `Watcher`.
    stopped : threading.Event
    """
    watcher = Watcher(folders, recursive=recursive, leave_out=leave_out, done=done)
    while not stopped.is_set():
        n_found = 0
        for item in watcher.ready():  # one by one: a signal need not wait for many
            n_found += 1
            yield [item]
            if stopped.is_set():
                return
        if not n_found:
            stopped.wait(_POLL)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, once; a second one interrupts.

    An image that is being looked at is finished first.
    """
    stopped = threading.Event()
    before: dict[int, _Handler] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()
        signal.signal(number, before[number])

    main = threading.current_thread() is threading.main_thread()  # only it may
    for number in (signal.SIGINT, signal.SIGTERM) if main else ():
        before[number] = signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)


def _images_in(folder: str, recursive: bool) -> list[str] | None:
    """List the images of a folder; None while it, or one in it, is not there."""
    try:
        return find_images(folder, recursive=recursive)
    except ValueError:  # there is none yet
        return []
    except OSError:
        return None


def _state(path: str) -> _State:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _is_readable(path: str) -> bool:
    try:
        read_image(path)
    except (OSError, ValueError):
        return False
    return True
