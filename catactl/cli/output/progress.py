"""Progress on stderr: a bar on a terminal, a plain line now and then off it, nothing when quiet.

What is over within a second shows nothing.
"""

import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from catactl.cli.framework.context import Context
from catactl.cli.output.text import counted, shown
from catactl.values.sizes import format_size

if TYPE_CHECKING:
    from rich.progress import Progress

    from catactl.content.upload import Meter

_SILENT_SECONDS = 1.0
_SECONDS_BETWEEN_LINES = 10.0


# --- steps ----------------------------------------------------------------------------------------


@contextmanager
def progress(run: Context, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each step."""
    if run.common.quiet:
        yield lambda _steps: None
    elif _has_bars(run):
        with _bar(what, total) as advance:
            yield advance
    else:
        yield _lines(run, what, total)


def _has_bars(run: Context) -> bool:
    return sys.stderr.isatty() and not run.log.json


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    started = time.monotonic()
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = bar.add_task(what, total=total)

    def advance(steps: int) -> None:
        if not bar.live.is_started and time.monotonic() - started > _SILENT_SECONDS:
            bar.start()
        bar.advance(task, steps)

    try:
        yield advance
    finally:
        bar.stop()


def _lines(run: Context, what: str, total: int) -> Callable[[int], None]:
    last = time.monotonic()
    completed = 0

    def advance(steps: int) -> None:
        nonlocal last, completed
        completed += steps
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            run.log.note(f"{what}: {completed:,} of {total:,}", completed=completed, total=total)

    return advance


# --- lines ----------------------------------------------------------------------------------------


@contextmanager
def rate(run: Context, what: str, things: str, file: BinaryIO) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with so many more; it shows how many, how fast, and how much of the
    file they are.
    """
    counter = _Rate(what, things, file)
    if run.common.quiet:
        yield lambda _count: None
    elif _has_bars(run):
        from rich.console import Console

        with Console(stderr=True).status("") as status:

            def show(count: int) -> None:
                counter.add(count)
                status.update(counter.line())

            yield show
    else:

        def say(count: int) -> None:
            counter.add(count)
            if counter.is_time():
                run.log.note(counter.line())

        yield say


class _Rate:
    def __init__(self, what: str, things: str, file: BinaryIO) -> None:
        self._what, self._things, self._file = what, things, file
        self._count = 0
        self._started = self._last = time.monotonic()
        status = os.fstat(file.fileno())
        self._total_bytes = status.st_size if stat.S_ISREG(status.st_mode) else 0

    def add(self, count: int) -> None:
        self._count += count

    def is_time(self) -> bool:
        """Whether a line is due."""
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES:
            return False
        self._last = now
        return True

    def line(self) -> str:
        per_second = self._count / max(time.monotonic() - self._started, 0.001)
        words = [f"{self._what}: {counted(self._count, self._things)}", f"{per_second:,.0f}/s"]
        if self._total_bytes:
            words.append(f"{min(100, self._file.tell() * 100 // self._total_bytes)} %")
        return ", ".join(words)


# --- bytes ----------------------------------------------------------------------------------------


@contextmanager
def transfer(
    run: Context, what: str, count: int, size_bytes: int | None, things: str = "file"
) -> "Iterator[Meter]":
    """Yield what counts bytes; it shows how many of all, how fast, the time left, and the file."""
    if run.common.quiet:
        yield Silent()
    elif _has_bars(run):
        bars = _Bars(f"{what} {counted(count, things)}", size_bytes)
        try:
            yield bars
        finally:
            bars.stop()
    else:
        yield _Lines(run, what, count, size_bytes)


class Silent:
    """For those who need not know."""

    def begin(self, name: str, size_bytes: int | None) -> None:
        pass

    def advance(self, size_bytes: int, name: str | None = None) -> None:
        pass


class _Lines:
    def __init__(self, run: Context, what: str, files: int, size_bytes: int | None) -> None:
        self._run = run
        self._what, self._files, self._size_bytes = what, files, size_bytes
        self._name, self._begun, self._completed = "", 0, 0
        self._started = self._last = time.monotonic()
        self._lock = threading.Lock()

    def begin(self, name: str, size_bytes: int | None) -> None:
        self._name = name
        self._begun += 1

    def advance(self, size_bytes: int, name: str | None = None) -> None:
        with self._lock:
            self._completed += size_bytes
            now = time.monotonic()
            if now - self._last < _SECONDS_BETWEEN_LINES:
                return
            self._last = now
            line = self._line(now - self._started)
            completed = self._completed
        self._run.log.note(line, completed_bytes=completed, total_bytes=self._size_bytes)

    def _line(self, seconds: float) -> str:
        rate = self._completed / seconds
        total = self._size_bytes
        of = "" if total is None else f" of {format_size(total)}"
        words = [f"{self._what}: {format_size(self._completed)}{of}, {format_size(int(rate))}/s"]
        if total is not None and rate > 0:
            words.append(f"{max(0.0, (total - self._completed) / rate):.0f} s left")
        if self._name:
            words.append(f"file {self._begun:,} of {self._files:,}: {self._name}")
        return ", ".join(words)


class _Bars:
    """One bar over all, one for the file begun last."""

    def __init__(self, what: str, size_bytes: int | None) -> None:
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._bars = _byte_bars()
        self._all = self._bars.add_task(what, total=size_bytes)
        self._current = self._bars.add_task("", total=None)
        self._name = ""

    def begin(self, name: str, size_bytes: int | None) -> None:
        with self._lock:
            self._name = name
            description = shown(name) if len(name) <= 40 else f"…{shown(name[-39:])}"
            self._bars.reset(self._current, total=size_bytes, description=description)

    def advance(self, size_bytes: int, name: str | None = None) -> None:
        with self._lock:
            if not self._bars.live.is_started and (
                time.monotonic() - self._started > _SILENT_SECONDS
            ):
                self._bars.start()
            self._bars.advance(self._all, size_bytes)
            if name in {None, self._name}:
                self._bars.advance(self._current, size_bytes)

    def stop(self) -> None:
        self._bars.stop()


def _byte_bars() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # the result is not ours to touch
    )
