"""Format values: plain for programs, with units for people, and without control characters."""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from catactl.values.sizes import format_size

Row = Mapping[str, Any]

_MAX_LISTED = 6  # longer lists are abbreviated
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def field_lines(row: Row) -> Iterator[str]:
    """Yield a resource for people, a line for each field."""
    width = max((len(title(name)) for name in row), default=0)
    for name, value in row.items():
        yield f"{title(name):<{width}}  {for_people(name, value)}"


def bar(value: int, most: int, width: int) -> str:
    """Return a bar of block characters: `width` long for `most`, in steps of an eighth."""
    eighths = value * width * 8 // most if most > 0 else 0
    if value > 0:
        eighths = max(eighths, 1)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + _EIGHTHS[rest]


def counted(count: int, noun: str) -> str:
    """Return `1 file`, `2,000 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shown(text: str) -> str:
    """Return the text with control characters escaped, as in `\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        character if _is_printed(character) else repr(character)[1:-1] for character in text
    )


def _is_printed(character: str) -> bool:
    # Show joiners, because names in Arabic and Indic scripts and emoji need them.
    return (
        character.isprintable()
        or character in "\u200c\u200d"
        or unicodedata.category(character) == "Zs"
    )


def plain(value: Any) -> str:
    """Return a value for programs, in formats other than JSON. Null is empty."""
    if type(value) is int:
        return str(value)
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | tuple() | dict():
            return shown(json.dumps(value, ensure_ascii=False))
        case _:
            return shown(str(value))


def for_people(name: str, value: Any) -> str:
    """Return the value of a field for people, with its unit."""
    if value is None:
        return "unlimited" if name == "quota_bytes" else "-"
    if name.endswith("_bytes") and isinstance(value, int):
        sign = "+" if name.startswith("delta_") and value > 0 else ""
        return sign + format_size(value)
    if is_time(name) and isinstance(value, str):
        return value[:19].replace("T", " ") + "Z"
    if name.endswith("_estimate"):
        return shown(f"about {value}")
    if isinstance(value, (list, tuple)) and len(value) > _MAX_LISTED:
        return shown(f"{value[0]}, … {value[-1]} ({len(value):,})")
    if isinstance(value, (list, tuple)):
        return shown(", ".join(map(str, value))) or "-"
    return plain(value)


def is_time(name: str) -> bool:
    return name.endswith(("_at", "as_of")) or name in {"start", "end"}


def title(column: str) -> str:
    """Return the name of a field for people, without the unit, because the values have it."""
    return column.removesuffix("_bytes").replace("_", " ").upper()
