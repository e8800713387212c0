"""Content in memory, to upload without a file."""

from collections.abc import Iterator

from catactl.content import part_ranges
from catactl.content.part_ranges import Plan
from catactl.domain.file import File


class Bytes:
    """Content to upload: an item and its own source. With `is_stream` it can be read only once."""

    name = path = "bytes"

    def __init__(self, content: bytes, *, is_stream: bool = False) -> None:
        self._content = content
        self.size_bytes = None if is_stream else len(content)
        self.times_read = 0

    def open(self) -> "Bytes":
        return self

    def plan(self, name: str, part_bytes: int | None, existing: File | None) -> Plan:
        return part_ranges.plan_file(name, len(self._content), part_bytes, existing)

    def read(self, offset: int, size_bytes: int) -> Iterator[memoryview]:
        self.times_read += 1
        assert self.times_read == 1 or self.size_bytes is not None, "a stream is read once"
        yield memoryview(self._content)[offset : offset + size_bytes]

    def check_unchanged(self) -> None:
        pass

    def close(self) -> None:
        pass


class Silent:
    """A meter that reports nothing."""

    def begin(self, name: str) -> None:
        pass

    def advance(self, size_bytes: int, /) -> None:
        pass
