"""Write and read JSON documents and moments in the form in which they are stored."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from catactl.errors import CorruptLog

T = TypeVar("T")

# Returns a value as JSON. Equal values give equal texts.
canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse).decode


def load_document(text: str) -> dict[str, Any]:
    """Return a stored JSON object; raise `CorruptLog` if the text is anything else."""
    return _load(text, dict)


def load_array(text: str) -> list[Any]:
    """Return a stored JSON array; raise `CorruptLog` if the text is anything else."""
    return _load(text, list)


def _load(text: str, expected: type[T]) -> T:
    try:
        document = _decode(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(text, str(error)) from None
    if not isinstance(document, expected):
        raise _unreadable(text, f"it is not of type {expected.__name__}")
    return document


def _unreadable(text: str, reason: str) -> CorruptLog:
    return CorruptLog(
        f"a stored JSON document cannot be read: {reason}: {text[:80]!r}",
        "find it: catactl projection check, catactl event verify",
    )


def load_strictly(text: str) -> Any:
    """Return the value of a JSON document. Raise `ValueError` if it is not valid JSON, or if a key
    occurs twice, because parsers differ in which of the two they keep.
    """

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) != len(pairs):
            raise ValueError("a key occurs twice")
        return document

    try:
        return json.loads(text, object_pairs_hook=no_duplicates)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@lru_cache(maxsize=256)
def format_instant(moment: datetime) -> str:
    """Return a moment by RFC 3339, in UTC with microseconds: `2026-01-31T12:00:00.000000Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
