"""Print progress on stderr: a bar on a terminal, otherwise a line every ten seconds.

Print nothing with --quiet, or for work that takes less than a second.
"""

import math
import os
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal, Self, TypeVar

from catactl.cli.framework.context import Context
from catactl.cli.output.text import counted, shown
from catactl.values.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

_SECONDS_BEFORE_BAR = 1.0
_SECONDS_BETWEEN_LINES = 10.0
_BAR_WIDTH = 40

Unit = Literal["byte", "line", "organization"]
T = TypeVar("T")


class Progress:
    """A context manager that counts units of work, from any thread, and prints how many are done.

    The total is None if it is unknown. `source` is a file that the work reads to its end: if it is
    a regular file, the position in it shows how much of the work is done.
    """

    def __init__(
        self,
        context: Context,
        verb: str,
        unit: Unit,
        total: int | None = None,
        *,
        files: int = 0,
        source: BinaryIO | None = None,
    ) -> None:
        self._context = context
        self._verb, self._unit, self._total = verb, unit, total
        self._files, self._files_begun, self._file_name = files, 0, ""
        self._source, self._source_bytes = source, _size_bytes(source)
        self._completed = self._percent = 0
        self._lock = threading.Lock()
        self._bar: Live | None = None
        self._has_bar = sys.stderr.isatty() and not context.log.json
        self._started = time.monotonic()
        first = _SECONDS_BEFORE_BAR if self._has_bar else _SECONDS_BETWEEN_LINES
        self._due = math.inf if context.options.quiet else self._started + first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, name: str) -> None:
        """Begin with the next file, which is printed from now on."""
        self._file_name = name
        self._files_begun += 1

    def advance(self, count: int) -> None:
        """Add units that are done. A negative count subtracts them."""
        with self._lock:
            self._completed += count
            if self._source is not None and self._source_bytes:
                self._percent = min(100, self._source.tell() * 100 // self._source_bytes)
            now = time.monotonic()
            if now < self._due:
                return
            self._due = math.inf if self._has_bar else now + _SECONDS_BETWEEN_LINES
        if self._has_bar:
            self._start_bar()
        else:
            suffix = "_bytes" if self._unit == "byte" else ""
            fields = {f"completed{suffix}": self._completed, f"total{suffix}": self._total}
            self._context.log.note(self._line(), **fields)

    def counting(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, and count a unit after each of them."""
        for item in items:
            yield item
            self.advance(1)

    def _line(self) -> str:
        completed, total = self._completed, self._total
        per_second = completed / max(time.monotonic() - self._started, 0.001)
        if self._unit == "byte":
            amount = format_size(completed) + ("" if total is None else f" of {format_size(total)}")
            rate = format_size(int(per_second))
        else:
            of = counted(completed if total is None else total, self._unit)
            amount = of if total is None else f"{completed:,} of {of}"
            rate = f"{per_second:,.0f}"
        parts = [f"{self._verb}: {amount}"]
        if per_second >= 1:
            parts.append(f"{rate}/s")
        if total is not None and per_second > 0:
            parts.append(f"{max(0.0, (total - completed) / per_second):.0f} s left")
        if self._source_bytes:
            parts.append(f"{self._percent} %")
        if self._file_name:
            parts.append(f"file {self._files_begun:,} of {self._files:,}: {self._file_name}")
        return ", ".join(parts)

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._bar = Live(
            get_renderable=self._line_and_bar,
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # because stdout is for the result alone
        )
        self._bar.start()

    def _line_and_bar(self) -> "Group":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        line = Text(shown(self._line()), no_wrap=True, overflow="ellipsis")
        if self._source_bytes:
            return Group(line, ProgressBar(100, self._percent, _BAR_WIDTH))
        is_unknown = self._total is None
        return Group(line, ProgressBar(self._total, self._completed, _BAR_WIDTH, is_unknown))


def _size_bytes(source: BinaryIO | None) -> int:
    if source is None:
        return 0
    status = os.fstat(source.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else 0
