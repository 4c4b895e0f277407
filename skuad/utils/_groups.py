"""Work on items that are alike, together."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Group = TypeVar("Group", bound=Hashable)
Result = TypeVar("Result")


def apply_by_group(
    function: Callable[[list[Item], Group], Iterable[Result]],
    items: Sequence[Item],
    groups: Sequence[Group],
) -> list[Result]:
    """Call a function on the items of each group; give the results in order.

    Parameters
    ----------
    function : callable
        From the items of a group, and the group, to a result for each item.
    items : sequence
        The items.
    groups : sequence of hashable
        Group of each item, such as its shape.

    Returns
    -------
    results : list
        One per item.
    """
    numbers: dict[Group, list[int]] = {}
    for number, group in enumerate(groups):
        numbers.setdefault(group, []).append(number)
    results: dict[int, Result] = {}
    for group, members in numbers.items():
        found = function([items[number] for number in members], group)
        results.update(zip(members, found, strict=True))
    return [results[number] for number in range(len(items))]
