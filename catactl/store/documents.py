"""JSON documents and moments as they are stored and shown, knowing nothing of events."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def canonical(payload: object) -> str:
    """Return JSON whose text depends on nothing but its content."""
    return _canonical(payload)


def load_document(text: str) -> Any:
    """Return what a stored JSON document holds."""
    return json.loads(text)


def load_strictly(text: str) -> Any:
    """The same, but raise `ValueError` where a key stands twice: readers differ in which they
    see.
    """

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) != len(pairs):
            raise ValueError("a key stands twice")
        return document

    return json.loads(text, object_pairs_hook=no_duplicates)


@lru_cache(maxsize=256)
def format_instant(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: `2026-01-31T12:00:00.000000Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
