"""Whether a history of operations that ran at the same time is linearizable.

The search of Wing and Gong (Testing and Verifying Concurrent Objects, J. Parallel Distrib. Comput. 17, 1993) with
Lowe's memory of the configurations seen (Testing for Linearizability, Concurr. Comput. 29, 2017), over a
sequential model: take any operation that could be the first one (no other had returned before it was invoked), let
the model make it, compare the result, and go on with the rest; go back where that leads nowhere.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

State = Hashable
Model = Callable[[Any, "Operation"], Iterable[Any]]
"""The states that an operation may lead to from a state, its result being what it is; none if it cannot be."""


@dataclass(frozen=True)
class Operation:
    """What was asked, what came of it, and when: numbers of one counter that all threads share."""

    name: str
    argument: Any
    result: Any
    invoked: int
    returned: float


def order(history: Sequence[Operation], model: Model, initial: Any) -> list[Operation] | None:
    """One order in which the operations could have happened one after the other; None if there is none."""
    seen: set[tuple[frozenset[int], Any]] = set()
    path: list[int] = []

    def search(left: frozenset[int], state: Any) -> bool:
        if not left:
            return True
        if (left, state) in seen:
            return False
        seen.add((left, state))
        first_return = min(history[each].returned for each in left)
        may_be_first = [each for each in left if history[each].invoked <= first_return]
        after = {each: list(model(state, history[each])) for each in may_be_first}
        # What changes nothing, and can be now, loses nothing by being now: no other order need be tried.
        for each in may_be_first:
            if after[each] == [state]:
                after = {each: [state]}
                break
        for each in sorted(after, key=lambda number: history[number].returned):
            for then in after[each]:
                path.append(each)
                if search(left - {each}, then):
                    return True
                path.pop()
        return False

    return [history[each] for each in path] if search(frozenset(range(len(history))), initial) else None
