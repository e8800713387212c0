"""Examine the machine that catactl runs on: file permissions, file systems, free space."""

import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from catactl.config.masking import mask
from catactl.config.settings import Settings
from catactl.doctor.findings import Finding, ok, problem, warning
from catactl.values.sizes import format_size

MOUNTS = Path("/proc/mounts")
_MIB = 1024 * 1024
_LOW_BYTES, _LOW_SHARE = 1024 * _MIB, 0.1
_CRITICAL_BYTES = 100 * _MIB
_NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gpfs", "lustre", "nfs", "nfs4", "smb3"}
    | {"smbfs", "vboxsf"}
    | {f"fuse.{kind}" for kind in ("ceph", "glusterfs", "rclone", "s3fs", "sshfs")}
)


def secrets(settings: Settings) -> Iterator[Finding]:
    """Examine whether other users can read a configuration file that holds a password."""
    readable = []
    for path in filter(None, (settings.config_path, settings.database_url_file)):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            # Root may let a group read the file, as PostgreSQL allows for its server's key.
            forbidden = 0o077 if path.stat().st_uid != 0 else 0o007
            if mask(text) != text and path.stat().st_mode & forbidden:
                readable.append(path)
    for path in readable:
        yield warning(f"{path} holds a password, and others can read it", _chmod("600", [path]))
    if not readable:
        yield ok("others cannot read a file that holds a password")


def exposed(database: Path) -> Iterator[Finding]:
    """Yield a warning if other users can read a database's files, and one if they can replace
    them.
    """
    files = [database, *(Path(f"{database}{suffix}") for suffix in ("-wal", "-shm"))]
    readable = [file for file in files if file.is_file() and file.stat().st_mode & 0o077]
    if readable:
        names = ", ".join(map(str, readable))
        yield warning(f"others can read or write {names}", _chmod("600", readable))
    if is_writable_by_everybody(database.parent):
        yield warning(f"everybody can write to {database.parent}", _chmod("o-w", [database.parent]))


def is_writable_by_everybody(folder: Path) -> bool:
    """Return whether everybody can replace the files in a folder."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def network_file_system(path: Path) -> str | None:
    """Return the type of the network file system that holds a path; None for a local file system,
    or if the type is unknown.

    Reads the format of proc_pid_mounts(5): device, mount point, type …, with octal escapes in the
    mount point.
    """
    try:
        lines = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    resolved = path.resolve()
    max_depth, found = -1, ""
    for _, place, kind, *_ in map(str.split, lines):
        mounted_at = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place))
        depth = len(mounted_at.parts)
        if depth >= max_depth and resolved.is_relative_to(mounted_at):
            max_depth, found = depth, kind
    return found if found in _NETWORK_FILE_SYSTEMS else None


def free_space(folders: Iterable[tuple[str, Path]]) -> Iterator[Finding]:
    """Yield the free space of each file system that holds one of the folders, given with their
    purposes.
    """
    by_device: dict[int, tuple[list[str], Path]] = {}
    for purpose, path in folders:
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        by_device.setdefault(existing.stat().st_dev, ([], existing))[0].append(purpose)
    for purposes, folder in by_device.values():
        space = shutil.disk_usage(folder)
        message = (
            f"{format_size(space.free)} of {format_size(space.total)} are free"
            f" for the {' and the '.join(purposes)} in {folder}"
        )
        if space.free < _CRITICAL_BYTES:
            yield problem(message, "free some space")
        elif space.free < max(_LOW_BYTES, _LOW_SHARE * space.total):
            yield warning(message, "free some space")
        else:
            yield ok(message)
    if not by_device:
        yield ok("catactl keeps nothing on this machine")


def _chmod(mode: str, paths: Iterable[Path]) -> str:
    return f"chmod {mode} {shlex.join(map(os.fspath, paths))}"
