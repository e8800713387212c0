"""The standard streams of the program, whose readers may close them."""

import os
import sys
from typing import Any, TextIO


class ReaderGone(Exception):
    """The reader of stdout closed it. Not an `OSError`, because Typer exits with 1 on those."""


def complain(line: str) -> None:
    """Print a line on stderr. Continue without it if stderr is closed."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr.fileno())  # otherwise Python writes it again at exit


class Lasting:
    """A stream for a command that must finish. When the reader closes it, the rest is discarded."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            discard(self._stream.fileno())
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            discard(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def discard(file: int) -> None:
    """Discard everything that is written to a descriptor from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, file)
    os.close(null)
