"""Reserve space on the disk of a SQLite database, so that people can delete when the disk is full.

SQLite needs space to delete, and even to read, because it first writes its log and the log's index.
So commands that upload create a reserve file. Any other command that runs out of space removes the
reserve, tries once more, and creates the reserve again at its end.
"""

import errno
import os
from contextlib import suppress

SIZE_BYTES = 1024 * 1024
_STEP_BYTES = 64 * 1024
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class Reserve:
    """The reserve of one database. `released_bytes` is the size of the reserve that this process
    removed.
    """

    def __init__(self, database: str) -> None:
        # Follow links, because SQLite puts its other files beside the real file as well.
        self._path = f"{os.path.realpath(database)}-reserve"
        self.released_bytes = 0

    def make(self) -> None:
        """Create or enlarge the reserve, but use at most half of the free space."""
        with suppress(OSError):
            disk = os.statvfs(os.path.dirname(self._path))
            self._allocate(min(SIZE_BYTES, disk.f_bavail * disk.f_frsize // 2))

    def make_again(self) -> None:
        """Create the removed reserve again, as large as the free space allows."""
        with suppress(OSError):
            self._allocate(self.released_bytes)

    def _allocate(self, max_bytes: int) -> None:
        if max_bytes < _STEP_BYTES:
            return
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for size_bytes in range(max_bytes, os.fstat(file).st_size, -_STEP_BYTES):
                with suppress(OSError):
                    os.posix_fallocate(file, 0, size_bytes)
                    return
        finally:
            os.close(file)

    def release(self) -> bool:
        """Remove the reserve if the disk is full. Return whether this freed space."""
        if _has_space(os.path.dirname(self._path)):
            return False
        try:
            size_bytes = os.stat(self._path).st_size
            os.unlink(self._path)
        except OSError:
            return False
        self.released_bytes = max(self.released_bytes, size_bytes)
        return size_bytes > 0


def _has_space(folder: str) -> bool:
    """Return whether the disk has space for a reserve, by allocating a temporary file."""
    from tempfile import TemporaryFile  # here, because loading it takes time

    try:
        with TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, SIZE_BYTES)
    except OSError as error:
        return error.errno not in _NO_SPACE
    return True
