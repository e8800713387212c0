"""How a file is cut into parts, given what the log knows of it already."""

from collections.abc import Iterator
from typing import NamedTuple

from catactl.domain.file import File
from catactl.domain.parts import MAX_PART_NUMBER, Parts
from catactl.errors import Conflict, InvalidValue

DEFAULT_PART_BYTES = 8 * 1024 * 1024


class Range(NamedTuple):
    """A part to be: its number, and where it lies in the file."""

    number: int
    offset: int
    size_bytes: int


def cut(name: str, size_bytes: int, part_bytes: int | None, known: File | None) -> Iterator[Range]:
    """Return the parts of a file in order; all but the last are of one size.

    That size is `part_bytes`, else that of an upload which broke off, else the default, or a
    multiple of it where there would be too many. A complete file is cut as it was. Raises
    `Conflict` when the file that is known cannot become this one, `InvalidValue` when there would
    be too many parts.
    """
    if known is not None and known.completed:
        if known.parts.size_bytes != size_bytes:
            raise other_content(known)
        return _as_known(known.parts)
    chosen_bytes = part_bytes or _usual_size(known) or DEFAULT_PART_BYTES
    if size_bytes > MAX_PART_NUMBER * chosen_bytes:
        least_bytes = -(-size_bytes // MAX_PART_NUMBER)
        if part_bytes is not None:
            raise InvalidValue(
                f"{name!r} would be over {MAX_PART_NUMBER:,} parts of {part_bytes:,} bytes",
                f"--part-size {least_bytes} or more",
            )
        chosen_bytes *= -(-least_bytes // chosen_bytes)
    check_no_more(known, -(-size_bytes // chosen_bytes))
    return (
        Range(number, offset, min(chosen_bytes, size_bytes - offset))
        for number, offset in enumerate(range(0, size_bytes, chosen_bytes), start=1)
    )


def check_no_more(known: File | None, count: int) -> None:
    """Raise `Conflict` when there are parts past the last that the file is to have: none can be
    taken out.
    """
    parts = known.parts if known is not None else Parts()
    extra = next((part.number for part in parts if part.number > count), None)
    if known is not None and extra is not None:
        raise Conflict(
            f"file {known.name!r} has part {extra:,} already, from an upload of other content or "
            "with smaller parts",
            "give --part-size as it was then, or delete the file first",
        )


def other_content(known: File) -> Conflict:
    return Conflict(
        f"file {known.name!r} exists with other content",
        "delete it first, or give the new one another name: --name NAME",
    )


def _usual_size(known: File | None) -> int | None:
    """The part size of an upload that broke off, as far as its parts tell."""
    sizes = [part.size_bytes for part in known.parts] if known is not None else []
    if len(sizes) < 2 or len(set(sizes[:-1])) != 1 or sizes[-1] > sizes[0]:
        return None
    return sizes[0] or None


def _as_known(parts: Parts) -> Iterator[Range]:
    offset = 0
    for part in parts:
        yield Range(part.number, offset, part.size_bytes)
        offset += part.size_bytes
