"""The interface by which a transfer reports its progress."""

from collections.abc import Callable
from typing import Protocol

Advance = Callable[[int], None]


class Meter(Protocol):
    """Counts the bytes that are transferred, from any thread."""

    def begin(self, name: str) -> None:
        """Begin with the next file."""

    def advance(self, size_bytes: int, /) -> None:
        """Add bytes. Subtract bytes that are read again with a negative number."""
