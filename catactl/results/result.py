"""Describe results: formats of fields, columns of lists, fields of every write, and results that
have two forms.

A result type is a `TypedDict`. Its annotations are the fields in JSON and in `catactl schema`, so
fields are added and never renamed. `columns` names the fields that a list shows.

The classes here have no generated methods but `__init__`, because every command pays for those.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, NotRequired, TypedDict, TypeVar, cast
from uuid import UUID

from catactl.errors import CatactlError
from catactl.store.canonical_json import format_instant

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from catactl.handling.unit_of_work import Outcome, UnitOfWork

Uuid = Annotated[str, "uuid"]
Time = Annotated[str, "date-time"]  # RFC 3339 in UTC
JsonObject = dict[str, Any]

T = TypeVar("T")
S = TypeVar("S")
_TypedDict = TypeVar("_TypedDict", bound=type)


@dataclass(eq=False, repr=False)
class Columns:
    """The fields of a result type that a list shows. JSON has all fields.

    `-o id` prints the field that `id_field` names. A table shows a bar for the field that `bar`
    names, and no columns of `for_programs`.
    """

    names: tuple[str, ...]
    id_field: str
    bar: str | None = None
    for_programs: tuple[str, ...] = ()


_COLUMNS: dict[type, Columns] = {}


def columns(
    names: str = "", *, id: str | None = None, bar: str | None = None, for_programs: str = ""
) -> Callable[[_TypedDict], _TypedDict]:
    """Declare the columns of a result type: names with spaces between them, as for a named tuple.
    By default they are all fields, with the first one as the id.
    """

    def declare(result: _TypedDict) -> _TypedDict:
        fields = tuple(names.split() or result.__annotations__)
        _COLUMNS[result] = Columns(fields, id or fields[0], bar, tuple(for_programs.split()))
        return result

    return declare


def columns_like(other: type) -> Callable[[_TypedDict], _TypedDict]:
    """Declare the same columns as another type, whose fields the result type must have."""

    def declare(result: _TypedDict) -> _TypedDict:
        _COLUMNS[result] = columns_of(other)
        return result

    return declare


def columns_of(result: type) -> Columns:
    """Return the columns of a result type."""
    if result not in _COLUMNS:
        columns()(result)
    return _COLUMNS[result]


def result_from(result: type[T], values: "Mapping[str, Any] | RowMapping") -> T:
    """Return the fields of a result type, in its order, from a mapping that has them. Ids and times
    become strings.
    """
    return cast(T, {name: _json(values[name]) for name in result.__annotations__})


def _json(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return format_instant(value) if isinstance(value, datetime) else value


@dataclass(eq=False, repr=False)
class WithError(Generic[T]):
    """A result that is printed before its error is raised, if it has an error."""

    result: T
    error: CatactlError | None


@dataclass(eq=False, repr=False)
class Report(Generic[S, T]):
    """A summary, which is the result in JSON, and rows, which are the result in other formats.

    `if_empty` is a line of text that is printed if there are no rows.
    """

    summary: S
    rows: Iterable[T]
    if_empty: str | None = None


@dataclass(eq=False, repr=False)
class Listed(Generic[T]):
    """Rows in columns that depend on an option."""

    rows: Iterable[T]
    columns: Columns


@dataclass(eq=False, repr=False)
class Text(Generic[T]):
    """Lines of text for people. JSON and CSV have `data` instead, unless `is_always_text` is set.

    A terminal renders Markdown.
    """

    lines: Iterable[str]
    data: T
    is_markdown: bool = False
    is_always_text: bool = False


@dataclass(eq=False, repr=False)
class Json(Generic[T]):
    """A result that is always printed as JSON. `otherwise` is the format, json or jsonl, unless the
    user chose one of them.
    """

    data: T
    otherwise: str = "json"


class Written(TypedDict):
    """The log's position after a write, and the types of the events that it added."""

    position: int
    events: list[str]
    dry_run: NotRequired[bool]


def written(outcome: "Outcome") -> Written:
    """Return the fields that every write adds to its resource."""
    result: Written = {
        "position": outcome.position,
        "events": [event.type for event in outcome.events],
    }
    if outcome.dry_run:
        result["dry_run"] = True
    return result


def without_events(unit: "UnitOfWork") -> Written:
    """Return the fields that a write adds to its resource when it added no events."""
    result: Written = {"position": unit.head.position, "events": []}
    if unit.intent.dry_run:
        result["dry_run"] = True
    return result
