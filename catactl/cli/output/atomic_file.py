"""Write files that appear complete or not at all, even to a process that reads meanwhile."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from catactl.errors import Forbidden, InvalidValue, Unreachable


def write_file(path: str, text: str, *, mode: int = 0o644) -> None:
    """Write a file under a temporary name beside it, sync it, and rename it."""
    with atomic_file(path, mode=mode) as out:
        out.write(text)


@contextmanager
def atomic_file(path: str, *, mode: int = 0o644) -> Iterator[TextIO]:
    """Yield a file to write text to. It gets its name when the block ends without an error.

    A symbolic link stays, and its target is replaced. A folder or a device is an `InvalidValue`.
    """
    if path == "-":
        raise InvalidValue("'-' is not a file name", "name a file; stdout is for the result")
    given_path, path = path, os.path.realpath(path)
    folder = os.path.dirname(path) or "."
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            kind = "a folder" if os.path.isdir(path) else "not a regular file"
            raise InvalidValue(f"{given_path!r} is {kind}", "name a file, new or existing")
        file, temporary = tempfile.mkstemp(dir=folder, prefix=".catactl-")
        try:
            with open(file, "w", encoding="utf-8", errors="backslashreplace") as out:
                os.fchmod(file, mode)
                yield out
                out.flush()
                os.fsync(file)
            os.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except FileNotFoundError:
        raise InvalidValue(f"the folder of {path!r} does not exist", "create it first") from None
    except PermissionError as error:
        raise Forbidden(f"cannot write {path!r}: {error.strerror}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreachable(f"cannot write {path!r}: {reason}", "no file was written") from error
