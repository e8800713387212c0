"""The parts of a file: an immutable map from number (1 to 10,000) to part.

A file may have 10,000 parts and gains one at a time, so adding a part must not copy all of them.
The map stores parts in blocks of 100. `with_part` copies one block and the tuple of blocks, at most
200 references, and shares the other blocks. `changed_since` skips shared blocks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from catactl.domain.decider import fast_replace
from catactl.errors import CorruptLog
from catactl.values.numbers import MAX_PART_NUMBER

_BLOCK = 100


class Part(NamedTuple):
    """`stored` is true if our blob store holds the content, false if it is kept elsewhere."""

    number: int
    size_bytes: int
    sha256: str
    stored: bool = False

    def has_same_content(self, other: "Part") -> bool:
        """Return whether both have the same content, stored anywhere."""
        return self.sha256 == other.sha256 and self.size_bytes == other.size_bytes


_Block = tuple[Part | None, ...]
_EMPTY_BLOCK: _Block = (None,) * _BLOCK


@dataclass(frozen=True)
class Parts:
    count: int = 0
    size_bytes: int = 0
    _blocks: tuple[_Block, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "Parts":
        """Return a map of the parts. The time is proportional to their number."""
        blocks: list[list[Part | None]] = []
        count = size_bytes = 0
        for part in parts:
            block, slot = _block_and_slot(part.number)
            while len(blocks) <= block:
                blocks.append(list(_EMPTY_BLOCK))
            count += 1
            size_bytes += part.size_bytes
            blocks[block][slot] = part
        return cls(count, size_bytes, tuple(tuple(block) for block in blocks))

    def get(self, number: int) -> Part | None:
        block, slot = divmod(number - 1, _BLOCK)
        return self._blocks[block][slot] if block < len(self._blocks) else None

    def with_part(self, part: Part) -> "Parts":
        block, slot = _block_and_slot(part.number)
        missing = block + 1 - len(self._blocks)
        blocks = self._blocks + (_EMPTY_BLOCK,) * missing
        old = blocks[block]
        replaced = old[slot]
        new = list(old)
        new[slot] = part
        return fast_replace(
            self,
            count=self.count + (replaced is None),
            size_bytes=self.size_bytes + part.size_bytes - (replaced.size_bytes if replaced else 0),
            _blocks=(*blocks[:block], tuple(new), *blocks[block + 1 :]),
        )

    def __iter__(self) -> Iterator[Part]:
        for block in self._blocks:
            yield from (part for part in block if part is not None)

    def changed_since(self, before: "Parts") -> Iterator[Part]:
        """Yield the parts that are missing in `before` or differ from it."""
        for index, block in enumerate(self._blocks):
            old = before._blocks[index] if index < len(before._blocks) else _EMPTY_BLOCK
            if block is not old:
                for part, old_part in zip(block, old, strict=True):
                    if part is not old_part and part is not None and part != old_part:
                        yield part

    def have_same_content(self, other: "Parts") -> bool:
        """Return whether both have the same numbers with the same content, stored anywhere."""
        if (self.count, self.size_bytes) != (other.count, other.size_bytes):
            return False
        return all(
            mine.number == theirs.number and mine.has_same_content(theirs)
            for mine, theirs in zip(self, other, strict=True)
        )

    def first_missing(self) -> int | None:
        """Return the lowest missing number below the highest number; None if there is no gap."""
        for expected, part in enumerate(self, start=1):
            if part.number != expected:
                return expected
        return None


def _block_and_slot(number: int) -> tuple[int, int]:
    """Return the block of a stored part and its slot in the block. Raise `CorruptLog` for a number
    out of range, because a very large number would use all memory.
    """
    if not 1 <= number <= MAX_PART_NUMBER:
        message = f"the stored part number {number} is not from 1 to {MAX_PART_NUMBER:,}"
        raise CorruptLog(message, "catactl event verify")
    return divmod(number - 1, _BLOCK)
