"""The machine that catactl runs on: who may read files, what they lie on, how much room is left."""

import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from catactl.config.settings import Settings, mask
from catactl.doctor.said import Said, ok, problem, warning
from catactl.values.sizes import format_size

MOUNTS = Path("/proc/mounts")
_MIB = 1024 * 1024
_LITTLE_BYTES, _LITTLE_SHARE = 1024 * _MIB, 0.1
_TOO_LITTLE_BYTES = 100 * _MIB
_OVER_A_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gpfs", "lustre", "nfs", "nfs4", "smb3"}
    | {"smbfs", "vboxsf"}
    | {f"fuse.{kind}" for kind in ("ceph", "glusterfs", "rclone", "s3fs", "sshfs")}
)


def secrets(settings: Settings) -> Iterator[Said]:
    """Whether others can read a file of ours that holds a password."""
    found = []
    for path in filter(None, (settings.config_path, settings.database_url_file)):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            # Root may let a group read it, as PostgreSQL has it for its server's key.
            forbidden = 0o077 if path.stat().st_uid != 0 else 0o007
            if mask(text) != text and path.stat().st_mode & forbidden:
                found.append(path)
    for path in found:
        yield warning(f"{path} holds a password, and others can read it", _chmod("600", [path]))
    if not found:
        yield ok("no file that others can read holds a password")


def exposed(database: Path) -> Iterator[Said]:
    """Whether others can read a database's files, or put their own in their place."""
    files = [database, *(Path(f"{database}{suffix}") for suffix in ("-wal", "-shm"))]
    readable = [file for file in files if file.is_file() and file.stat().st_mode & 0o077]
    if readable:
        names = ", ".join(map(str, readable))
        yield warning(f"others can read or write {names}", _chmod("600", readable))
    if is_open_to_all(database.parent):
        yield warning(f"everybody can write to {database.parent}", _chmod("o-w", [database.parent]))


def is_open_to_all(folder: Path) -> bool:
    """Whether everybody can replace what lies in a folder."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def network_file_system(path: Path) -> str | None:
    """The kind of network file system that a path lies on; None if on none, or if it is not known.

    The format is proc_pid_mounts(5): device, place, kind …, with octal escapes in the place.
    """
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    resolved = path.resolve()
    deepest, found = -1, ""
    for _, place, kind, *_ in map(str.split, lines):
        mounted_at = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place))
        depth = len(mounted_at.parts)
        if depth >= deepest and resolved.is_relative_to(mounted_at):
            deepest, found = depth, kind
    return found if found in _OVER_A_NETWORK else None


def free_space(places: Iterable[tuple[str, Path]]) -> Iterator[Said]:
    """How much room there is for what is kept, a line a file system."""
    by_device: dict[int, tuple[list[str], Path]] = {}
    for what, path in places:
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        by_device.setdefault(there.stat().st_dev, ([], there))[0].append(what)
    for whats, folder in by_device.values():
        room = shutil.disk_usage(folder)
        message = (
            f"{format_size(room.free)} of {format_size(room.total)} are free"
            f" for the {' and the '.join(whats)} in {folder}"
        )
        if room.free < _TOO_LITTLE_BYTES:
            yield problem(message, "free some space")
        elif room.free < max(_LITTLE_BYTES, _LITTLE_SHARE * room.total):
            yield warning(message, "free some space")
        else:
            yield ok(message)
    if not by_device:
        yield ok("nothing is kept on this machine")


def _chmod(mode: str, paths: Iterable[Path]) -> str:
    return f"chmod {mode} {shlex.join(map(os.fspath, paths))}"
