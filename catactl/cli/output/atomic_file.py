"""Files that commands leave behind: there whole or not at all, whoever reads them meanwhile."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from catactl.errors import Forbidden, InvalidValue, Unreachable


def write_whole(path: str, text: str, *, mode: int = 0o644) -> None:
    """Write a file under a temporary name beside it, sync it, and rename it."""
    with whole_file(path, mode=mode) as out:
        out.write(text)


@contextmanager
def whole_file(path: str, *, mode: int = 0o644) -> Iterator[TextIO]:
    """Yield what takes a file's text; it appears under its name when the block ends well.

    A link stays, and what it leads to is replaced. What is no file, as a device, is not.
    """
    if path == "-":
        raise InvalidValue("'-' is no file", "name one; stdout is the result's alone")
    named, path = path, os.path.realpath(path)
    folder = os.path.dirname(path) or "."
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            what = "a folder" if os.path.isdir(path) else "no file"
            raise InvalidValue(f"{named!r} is {what}", "name a file, there or not")
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
        raise InvalidValue(f"there is no folder for {path!r}", "create it first") from None
    except PermissionError as error:
        raise Forbidden(f"cannot write {path!r}: {error.strerror}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreachable(f"cannot write {path!r}: {reason}", "nothing was left behind") from error
