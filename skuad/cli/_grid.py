"""Values of parameters to try."""

import ast
import json
import os
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TextIO

from sklearn.model_selection import ParameterGrid, ParameterSampler

from skuad.cli._build import read_value
from skuad.cli._console import Failure

_YAML = (".yaml", ".yml")


def read_grid(
    arguments: Iterable[str], *, n_iter: int | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Read ``name=value,value`` arguments and files of them.

    Parameters
    ----------
    arguments : list of str
        Each ``name=v1,v2``, or a JSON or YAML file with an object of lists.
    n_iter : int or None
        Draw so many combinations; None takes all.
    seed : int

    Returns
    -------
    combinations : list of dict

    Raises
    ------
    Failure
        If an argument or a file is something else.
    """
    grid: dict[str, list[Any]] = {}
    for argument in arguments:
        if os.path.isfile(argument) or argument.endswith((".json", *_YAML)):
            grid |= _read_file(argument)
            continue
        name, equals, values = argument.partition("=")
        if not equals or not values:
            raise Failure(
                f"--grid takes PARAM=V1,V2,... or a file, such as n_neighbors=1,3; got "
                f"{argument!r}"
            )
        grid[name] = _read_values(values)
    if n_iter is None or n_iter >= len(ParameterGrid(grid)):
        return list(ParameterGrid(grid))
    return list(ParameterSampler(grid, n_iter, random_state=seed))


def as_text(value: Any) -> Any:
    """Replace what JSON has not, in parameters, by its text."""
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_text(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return " ".join(repr(value).split())


def _read_values(text: str) -> list[Any]:
    try:
        return list(ast.literal_eval(f"({text},)"))
    except (ValueError, SyntaxError):
        return [read_value(value) for value in text.split(",")]


def _read_file(path: str) -> dict[str, list[Any]]:
    load: Callable[[TextIO], Any]
    invalid: tuple[type[Exception], ...]
    if path.endswith(_YAML):
        yaml = _yaml()
        load, invalid, kind = yaml.safe_load, (yaml.YAMLError, ValueError), "YAML"
    else:
        load, invalid, kind = json.load, (ValueError,), "JSON"
    try:
        with open(path, encoding="utf-8") as file:
            content = load(file)
    except FileNotFoundError:
        raise Failure(f"there is no file {path!r}") from None
    except invalid as error:
        reason = " ".join(str(error).split())
        raise Failure(f"{path!r} is no {kind}: {reason}") from error
    if not isinstance(content, dict) or not all(
        isinstance(values, list) and values for values in content.values()
    ):
        raise Failure(f"{path!r} must hold an object whose values are lists")
    return content


def _yaml() -> ModuleType:
    try:
        import yaml
    except ImportError as error:
        raise Failure(
            "a YAML grid needs PyYAML: pip install pyyaml, or write JSON"
        ) from error
    return yaml
