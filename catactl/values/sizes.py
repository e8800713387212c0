"""Parse and format sizes in bytes.

KB MB GB TB PB are powers of 1000, KiB MiB GiB TiB PiB powers of 1024 (IEC 80000-13). A bare K or G
is refused, because it is used for both.
"""

import re

from catactl.errors import InvalidValue

MAX_BYTES = 2**63 - 1
_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{prefix}B": 1000**power for power, prefix in enumerate("KMGTP", start=1)}
_UNITS |= {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTP", start=1)}
_BY_FOLDED_UNIT = {unit.casefold(): factor for unit, factor in _UNITS.items()}
_SIZE = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?\s*(?P<unit>[A-Za-z]*)"
)


def parse_size(text: str) -> int:
    """Return bytes, exactly; raise `InvalidValue` unless the size is a whole number of bytes."""
    match = _SIZE.fullmatch(text.strip()) if len(text) <= 64 else None
    if match is None:
        raise InvalidValue(f"not a size: {text[:64]!r}", "as in 1048576, 10GB or 10GiB")
    unit = match["unit"].casefold()
    if unit in {"k", "m", "g", "t", "p"}:
        letter = unit.upper()
        raise InvalidValue(
            f"ambiguous size unit {match['unit']!r} in {text!r}",
            f"write {letter}B for powers of 1000 or {letter}iB for powers of 1024",
        )
    if unit not in _BY_FOLDED_UNIT:
        known = " ".join(unit for unit in _UNITS if unit)
        raise InvalidValue(f"unknown size unit {match['unit']!r} in {text!r}", f"one of: {known}")
    if match["sign"] == "-":
        raise InvalidValue(f"a size is never negative: {text!r}")
    fraction = match["fraction"] or ""
    scaled = int(match["whole"] + fraction) * _BY_FOLDED_UNIT[unit]
    size_bytes, remainder = divmod(scaled, 10 ** len(fraction))
    if remainder:
        raise InvalidValue(f"not a whole number of bytes: {text!r}")
    return check_size_bytes(size_bytes)


def check_size_bytes(size_bytes: int) -> int:
    """Return the size; raise `InvalidValue` if it is negative or over 2^63-1."""
    if size_bytes < 0:
        raise InvalidValue(f"a size is never negative: {size_bytes}")
    if size_bytes > MAX_BYTES:
        raise InvalidValue(f"size is over {MAX_BYTES:,} bytes (2^63-1)")
    return size_bytes


def format_size(size_bytes: int) -> str:
    """Return a size for people, rounded to one decimal, as in `1.5 GiB`. Do not parse it back."""
    if abs(size_bytes) < 1024:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        value /= 1024
        if abs(value) < 1023.95 or unit == "PiB":
            return f"{value:,.1f} {unit}"
    raise AssertionError("the loop returns at PiB")
