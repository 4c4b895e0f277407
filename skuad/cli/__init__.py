"""The command line ``skuad``.

Each command is a module with a function ``run``. Nothing heavy is imported before a
command is known, so that ``skuad --help`` is quick.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from skuad.cli._arguments import build_parser
from skuad.cli._console import Console, Failure, error_line

__all__ = ["main"]

#: Exit codes. Of `skuad infer` and `skuad benchmark`, 1 means: some images failed, and
#: all others are done.
DONE, IMAGES_FAILED, FAILED, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    code : int
        0 if all went well; 1 if single images failed; 2 on any other error, which is
        then one line on stderr; 130 if interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError):
            if hasattr(stream, "reconfigure"):  # a path may not be encodable
                stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:  # after --help, --version or an error in the arguments
        return end.code if isinstance(end.code, int) else DONE
    if args.command is None:
        parser.print_help()
        return FAILED
    console = Console(quiet=args.quiet, verbose=args.verbose, json=args.json)
    try:
        with console.warnings_in_one_line():
            return import_module(f"skuad.cli._{args.command}").run(args, console)
    except KeyboardInterrupt as stop:
        console.tell(f"interrupted{''.join(f': {note}' for note in stop.args)}")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return IMAGES_FAILED
    except Exception as error:
        if console.verbose and (error.__cause__ or not isinstance(error, Failure)):
            traceback.print_exc()
        console.tell(f"error: {error_line(error)}")
        return FAILED
