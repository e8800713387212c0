"""Progress on stderr: a bar on a terminal, a plain line now and then off it, nothing when quiet."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from catactl.cli.run import Run

_SILENT_SECONDS = 1.0
_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(run: Run, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each step; what is over within a second shows nothing."""
    if run.common.quiet:
        yield lambda _steps: None
    elif sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
    else:
        yield _lines(what, total)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    started = time.monotonic()
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=total)

    def advance(steps: int) -> None:
        if not bar.live.is_started and time.monotonic() - started > _SILENT_SECONDS:
            bar.start()
        bar.advance(task, steps)

    try:
        yield advance
    finally:
        bar.stop()


def _lines(what: str, total: int) -> Callable[[int], None]:
    last = time.monotonic()
    completed = 0

    def advance(steps: int) -> None:
        nonlocal last, completed
        completed += steps
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"catactl: {what}: {completed:,} of {total:,}", file=sys.stderr)

    return advance
