"""Describe result types as `catactl schema` prints them."""

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

_TYPES = {str: "string", int: "integer", bool: "boolean"}


def describe_result(returned: Any) -> dict[str, Any]:
    """Return the type and the fields of a command's result, given its return annotation."""
    kinds = {kind for kind, _ in _forms(returned)}
    kind = kinds.pop() if len(kinds) == 1 else "object or array"
    results = [result for _, result in _forms(returned)]
    fields = {field["name"]: field for result in results[:1] for field in describe(result)}
    return {"type": kind, "fields": sorted(fields.values(), key=lambda each: not each["always"])}


def result_type(returned: Any) -> type:
    """Return the result type whose columns a list shows, given a command's return annotation."""
    if is_typeddict(returned):
        return returned  # type: ignore[no-any-return]
    # The last type argument is the type of the rows of a report, or of the data of a text.
    return result_type(next(each for each in reversed(get_args(returned)) if each is not NoneType))


def describe(result: type) -> list[dict[str, Any]]:
    """Return the fields of a result type, each with its name, JSON type and nullability.

    `always` is false for a field that only some results have.
    """
    always: frozenset[str] = result.__required_keys__  # type: ignore[attr-defined]
    return [field | {"always": field["name"] in always} for field in describe_fields(result)]


def _forms(returned: Any) -> Iterator[tuple[str, type]]:
    """Yield the forms of a result: object or array, and the result type."""
    from catactl.results.result import Json, Report, Text, WithError

    origin, arguments = get_origin(returned), get_args(returned)
    if returned is NoneType:
        return
    if is_typeddict(returned):
        yield "object", returned
    elif origin in (Union, UnionType):
        for each in arguments:
            yield from _forms(each)
    elif origin in (WithError, Json, Report, Text):
        yield from _forms(arguments[0])
    else:  # a list or an iterator
        for _, result in _forms(arguments[0]):
            yield "array", result


def _field(name: str, hint: Any) -> dict[str, Any]:
    field: dict[str, Any] = {"name": name, "nullable": False}
    if get_origin(hint) is NotRequired:
        (hint,) = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
        field["nullable"] = True
    if get_origin(hint) is Annotated:
        hint, format_ = get_args(hint)
        return field | {"type": _TYPES[hint], "format": format_}
    if get_origin(hint) is list:
        (member,) = get_args(hint)
        if is_typeddict(member):
            fields = describe_fields(member)
            return field | {"type": "array", "items": "object", "fields": fields}
        return field | {"type": "array", "items": _json_type(member)}
    return field | {"type": _json_type(hint)}


def describe_fields(result: type) -> list[dict[str, Any]]:
    """Return the fields of a result type that always has all of its fields."""
    hints = get_type_hints(result, include_extras=True)
    return [_field(name, hint) for name, hint in hints.items()]


def _json_type(hint: Any) -> str:
    if is_typeddict(hint) or get_origin(hint) in (Mapping, dict):
        return "object"
    return "string" if get_origin(hint) is Literal else _TYPES[hint]
