"""Declare a write as an operation: a typed function with a name and a checkable signature.

The command line calls operations with keyword arguments that mypy checks. A line of `apply` and an
idempotency key hold the same arguments as JSON, which `Operation.check` checks.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import UnionType
from typing import (
    Annotated,
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    ParamSpec,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from catactl.errors import InvalidValue
from catactl.handling.unit_of_work import UnitOfWork
from catactl.wiring.flow import Aggregate

P = ParamSpec("P")
R = TypeVar("R")

_WORDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


class Argument(NamedTuple):
    """An argument of an operation, as its annotation declares it.

    `members` is the type of the members of a list or an object. `default` is `Parameter.empty` if
    there is none. `aggregate` is set for a name of a file or a job. `canonical` returns the
    canonical spelling of a value that has several.
    """

    kind: type
    members: type | None
    is_required: bool
    takes_null: bool
    default: Any
    aggregate: Aggregate | None
    canonical: Callable[[Any], Any] | None

    @property
    def words(self) -> str:
        """The description of the type."""
        words = _WORDS[self.kind] + (" of strings" if self.members else "")
        return f"{words} or null" if self.takes_null else words

    def accepts(self, value: object) -> bool:
        if type(value) is not self.kind:
            return value is None and self.takes_null
        if self.members is None:
            return True
        members = value.values() if isinstance(value, dict) else value
        return all(type(member) is self.members for member in members)  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Operation(Generic[P, R]):
    """A write by its name.

    If it `creates` the organization, a line of `apply` has no `org`. If it `changes_names`, it
    changes names of organizations. If it `is_versioned`, a line may have an expected version. If it
    `is_update`, it needs an optional argument, because each of them is a change.
    """

    name: str
    run: Callable[Concatenate[UnitOfWork, P], R]
    creates: bool
    changes_names: bool
    is_versioned: bool
    is_update: bool = False

    @cached_property
    def arguments(self) -> Mapping[str, Argument]:
        """The arguments, from the signature of the function."""
        hints = get_type_hints(self.run, include_extras=True)
        arguments: dict[str, Argument] = {}
        for parameter in list(inspect.signature(self.run).parameters.values())[1:]:
            hint = hints[parameter.name]
            if parameter.kind is parameter.VAR_KEYWORD:  # Unpack[a TypedDict of optional fields]
                fields = get_type_hints(get_args(hint)[0], include_extras=True)
                arguments |= {name: _argument(each) for name, each in fields.items()}
            elif parameter.default is parameter.empty:
                arguments[parameter.name] = _argument(hint, is_required=True)
            else:
                arguments[parameter.name] = _argument(hint, default=parameter.default)
        return arguments

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise `InvalidValue` for an argument that is unknown, missing or of another type."""
        arguments = self.arguments
        for name, value in given.items():
            argument = arguments.get(name)
            if argument is None:
                close = get_close_matches(name, arguments, n=1)
                known = ", ".join(arguments) or "none"
                raise InvalidValue(
                    f"{self.name} has no argument {name!r}",
                    f"did you mean {close[0]!r}?" if close else f"its arguments: {known}",
                )
            if not argument.accepts(value):
                raise InvalidValue(f"{name!r} is not {argument.words}")
        if len(given) < len(arguments):
            for name, argument in arguments.items():
                if argument.is_required and name not in given:
                    raise InvalidValue(f"{self.name} needs {name!r}, {argument.words}")
        self.check_change(given)

    def check_change(self, given: Mapping[str, Any]) -> None:
        """Raise `InvalidValue` for an update that changes nothing."""
        if self.is_update and all(
            self.arguments[name].is_required or value == self.arguments[name].default
            for name, value in given.items()
        ):
            raise InvalidValue("nothing to update", "give at least one change")

    def request(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request under an idempotency key for these arguments.

        It leaves out arguments at their defaults, so that a new argument does not change the
        requests of stored keys. Storage format: see `store/idempotency.py`.
        """
        request: dict[str, Any] = {"command": self.name}
        for name, value in given.items():
            argument = self.arguments[name]
            if argument.canonical is not None and value is not None:
                value = argument.canonical(value)
            if value != argument.default:
                request[name] = value
        return request

    def references(self, given: Mapping[str, Any]) -> list[tuple[Aggregate, str]]:
        """Return the names of files and jobs among the arguments."""
        return [(aggregate, given[name]) for name, aggregate in self._references if name in given]

    @cached_property
    def _references(self) -> list[tuple[str, Aggregate]]:
        arguments = self.arguments.items()
        return [(name, each.aggregate) for name, each in arguments if each.aggregate is not None]


def operation(
    name: str,
    *,
    creates: bool = False,
    changes_names: bool = False,
    is_versioned: bool = True,
    is_update: bool = False,
) -> Callable[[Callable[Concatenate[UnitOfWork, P], R]], Operation[P, R]]:
    """Declare a function `(unit, *, …)` as an operation. See `Operation`."""

    def declare(run: Callable[Concatenate[UnitOfWork, P], R]) -> Operation[P, R]:
        changes, versioned = changes_names or creates, is_versioned and not creates
        return Operation(name, run, creates, changes, versioned, is_update)

    return declare


def _argument(
    hint: Any, *, is_required: bool = False, default: Any = inspect.Parameter.empty
) -> Argument:
    hint, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    takes_null = isinstance(hint, UnionType)
    if takes_null:
        (hint,) = (arm for arm in get_args(hint) if arm is not type(None))
    container = get_origin(hint)
    return Argument(
        kind=container or hint,
        members=get_args(hint)[-1] if container is not None else None,
        is_required=is_required,
        takes_null=takes_null,
        default=default,
        aggregate=next((note for note in notes if isinstance(note, Aggregate)), None),
        canonical=next((note for note in notes if not isinstance(note, Aggregate)), None),
    )
