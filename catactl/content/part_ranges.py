"""Cut content into parts, given the parts that the log already has.

All parts of a file but the last have the same size, which is chosen before the file is read. The
size of standard input is not known in advance, so its parts grow: the next part is as large as the
largest part before it. That size doubles every 1,000 parts, or every 100 parts while it is below 8
MiB, up to 4 GiB. So 10,000 parts hold 7.8 TiB with the default size or a larger one, and at least
1.9 TiB with any smaller size.
"""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

from catactl.domain.file import File
from catactl.domain.parts import Parts
from catactl.errors import Conflict, InvalidValue
from catactl.values.numbers import MAX_PART_NUMBER

DEFAULT_PART_BYTES = 8 * 1024 * 1024
UNLIMITED_BYTES = 2**63 - 1  # for a part that extends to the end of its stream
_MAX_GROWN_BYTES = 4 * 1024**3


class Range(NamedTuple):
    """A part to upload, and its place in the source. The last part of a stream may be smaller."""

    number: int
    offset: int
    size_bytes: int


class Plan(NamedTuple):
    """The parts to upload, in the order in which to store them.

    `shrinking` holds the numbers of the existing parts that may become smaller. Parts that grow are
    recorded after them, because otherwise the quota could have no room for them.
    """

    ranges: Iterator[Range]
    shrinking: set[int]


def plan_file(name: str, size_bytes: int, part_bytes: int | None, existing: File | None) -> Plan:
    """Return the plan for a file. Raises the errors of `cut`."""
    ranges = cut(name, size_bytes, part_bytes, existing)
    shrinking = {
        part.number
        for part in _parts(existing)
        if ranges[part.number - 1].size_bytes < part.size_bytes
    }
    if shrinking:
        ranges.sort(key=lambda part: grows(existing, part.number, part.size_bytes))
    return Plan(iter(ranges), shrinking)


def grows(existing: File | None, number: int, size_bytes: int) -> bool:
    """Return whether a part of that size is larger than the existing part of that number."""
    part = _parts(existing).get(number)
    return part is None or size_bytes > part.size_bytes


def cut(name: str, size_bytes: int, part_bytes: int | None, existing: File | None) -> list[Range]:
    """Return the parts of a file in order.

    All parts except the last have the same size. This is `part_bytes`, or the size that results in
    the existing parts, or the default, or a multiple of the default if there would be too many
    parts. If no single size results in the existing parts, each of them keeps its size. A complete
    file is cut as it was. Raises `Conflict` if the existing file cannot become this one, and
    `InvalidValue` if there would be too many parts.
    """
    parts = _parts(existing)
    if existing is not None and existing.completed:
        if parts.size_bytes != size_bytes:
            raise other_content_error(existing)
        return list(_ranges(size_bytes, (part.size_bytes for part in parts)))
    if part_bytes is not None and size_bytes > MAX_PART_NUMBER * part_bytes:
        raise InvalidValue(
            f"{name!r} would need more than {MAX_PART_NUMBER:,} parts of {part_bytes:,} bytes",
            f"use --part-size {-(-size_bytes // MAX_PART_NUMBER)} or more",
        )
    common_bytes = part_bytes or _common_size(size_bytes, parts)
    if common_bytes is not None:
        sizes: Iterable[int] = repeat(common_bytes)
    else:
        sizes = growing_sizes(existing, None)
        check_capacity(name, size_bytes, existing, None)
    ranges = list(_ranges(size_bytes, sizes))
    check_no_more(existing, len(ranges))
    return ranges


def growing_sizes(existing: File | None, part_bytes: int | None) -> Iterator[int]:
    """Return the sizes of the parts of content whose size is not known in advance.

    Existing parts keep their sizes. The others start at `part_bytes`, else at the size of the first
    existing part, else at the default, and grow. A complete file is cut as it was. Raises
    `Conflict` if the first existing part has another size than `part_bytes`.
    """
    parts = _parts(existing)
    if existing is not None and existing.completed:
        return (part.size_bytes for part in parts)
    first = next((part for part in parts if part.size_bytes), None)
    if existing is None or first is None:
        return _growing(parts, part_bytes or DEFAULT_PART_BYTES)
    first_bytes = part_bytes or first.size_bytes
    may_be_the_last = parts.count == 1 and first.size_bytes < first_bytes
    if first.size_bytes != first_bytes and not may_be_the_last:
        raise Conflict(
            f"file {existing.name!r} has parts of {first.size_bytes:,} bytes already, "
            f"not of {first_bytes:,}",
            "omit --part-size to continue with them, or delete the file first",
        )
    return _growing(parts, first_bytes)


def _growing(parts: Parts, size_bytes: int) -> Iterator[int]:
    for number in range(1, MAX_PART_NUMBER + 1):
        part = parts.get(number)
        if part is not None:
            yield part.size_bytes
            size_bytes = max(size_bytes, part.size_bytes)
            continue
        constant_parts = 100 if size_bytes < DEFAULT_PART_BYTES else 1_000
        if number > 1 and (number - 1) % constant_parts == 0:
            size_bytes = max(size_bytes, min(2 * size_bytes, _MAX_GROWN_BYTES))
        yield size_bytes


def check_capacity(
    name: str, size_bytes: int, existing: File | None, part_bytes: int | None
) -> None:
    """Raise `InvalidValue` if growing parts cannot hold content of that size."""
    if existing is not None and existing.completed:
        return
    if size_bytes > sum(growing_sizes(existing, part_bytes)):
        raise too_large_error(name, existing, part_bytes)


def too_large_error(name: str, existing: File | None, part_bytes: int | None) -> InvalidValue:
    """Return the error for content that growing parts cannot hold."""
    capacity_bytes = sum(growing_sizes(existing, part_bytes))
    hint = "use larger parts: --part-size SIZE"
    if _parts(existing).count:
        hint = "delete the file, then upload it in larger parts: --part-size SIZE"
    return InvalidValue(
        f"{name!r} is too large: with these part sizes {MAX_PART_NUMBER:,} parts hold "
        f"{capacity_bytes:,} bytes",
        hint,
    )


def check_no_more(existing: File | None, count: int) -> None:
    """Raise `Conflict` if the file has a part with a higher number, because parts cannot be
    removed.
    """
    extra = next((part.number for part in _parts(existing) if part.number > count), None)
    if existing is not None and extra is not None:
        raise Conflict(
            f"file {existing.name!r} has part {extra:,} already, from an upload of other content "
            "or with smaller parts",
            "upload that content with the same --part-size as before, or delete the file first",
        )


def other_content_error(existing: File) -> Conflict:
    return Conflict(
        f"file {existing.name!r} exists with other content",
        "delete it first, or upload the new content under another name: --name NAME",
    )


def _parts(existing: File | None) -> Parts:
    return existing.parts if existing is not None else Parts()


def _common_size(size_bytes: int, parts: Parts) -> int | None:
    """Return the size that all parts but the last have; None if the existing parts differ in size.

    Any part may be missing, because workers finish in any order. If only the last part exists, the
    size follows from its offset.
    """
    smallest_bytes = -(-size_bytes // MAX_PART_NUMBER)
    default_bytes = DEFAULT_PART_BYTES * max(1, -(-smallest_bytes // DEFAULT_PART_BYTES))
    existing = list(parts)
    possible = [default_bytes]
    if existing:
        last = existing[-1]
        possible.append(max(part.size_bytes for part in existing))
        possible.append((size_bytes - last.size_bytes) // max(1, last.number - 1))
    for common_bytes in possible:
        if common_bytes >= max(1, smallest_bytes) and all(
            0 < part.size_bytes == min(common_bytes, size_bytes - (part.number - 1) * common_bytes)
            for part in existing
        ):
            return common_bytes
    return None


def _ranges(size_bytes: int, sizes: Iterable[int]) -> Iterator[Range]:
    offset = 0
    for number, part_bytes in enumerate(sizes, start=1):
        if part_bytes > 0 and offset == size_bytes:
            return
        part = Range(number, offset, min(part_bytes, size_bytes - offset))
        yield part
        offset += part.size_bytes
