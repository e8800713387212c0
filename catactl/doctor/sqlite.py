"""Examine a SQLite database."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, false, update

from catactl.doctor import machine
from catactl.doctor.findings import Finding, ok, problem, skipped, warning
from catactl.errors import Busy, Forbidden
from catactl.store import server_status
from catactl.store.sql.engine import reading, writing
from catactl.store.sql.urls import file_of
from catactl.store.tables import logs

MAX_BYTES_READ = 256 * 1024 * 1024
_SYNCHRONOUS_FULL = 2


def writable(engine: Engine) -> Iterator[Finding]:
    """Examine whether the database accepts writes, with an update of no rows."""
    try:
        with writing(engine) as conn:
            conn.execute(update(logs).where(false()).values(position=0))
        yield ok("the database accepts writes")
    except Busy:
        yield ok("the database accepts writes; another process is writing to it now")
    except Forbidden as error:
        yield problem(error.message, f"make {file_of(engine.url)} and its folder writable")


def durability(engine: Engine) -> Iterator[Finding]:
    """Examine whether a commit survives a crash, and whether locks work."""
    with reading(engine) as conn:
        journal_mode = server_status.pragma(conn, "journal_mode")
        synchronous = server_status.pragma(conn, "synchronous")
        path = server_status.database_file(conn)
    risks = list(_risks(journal_mode, synchronous, path))
    yield from risks or [ok("journal mode wal, synchronous full")]


def _risks(journal_mode: str, synchronous: str, path: Path | None) -> Iterator[Finding]:
    if int(synchronous) < _SYNCHRONOUS_FULL:
        yield problem(
            f"synchronous is {synchronous}: a power failure can undo confirmed commits",
            "PRAGMA synchronous = FULL",
        )
    network = machine.network_file_system(path) if path is not None else None
    if network is not None:
        yield warning(
            f"{path} is on {network}, where locks may not work between machines",
            "keep it on a local disk, or use PostgreSQL",
        )
    if journal_mode != "wal":
        yield warning(
            f"the journal mode is {journal_mode}, because wal is not available here: readers "
            "and writers wait for each other",
            "keep it on a local disk",
        )


def access(engine: Engine) -> Iterator[Finding]:
    """Examine whether only the owner can read and replace the database's files."""
    with reading(engine) as conn:
        path = server_status.database_file(conn)
    exposed = list(machine.exposed(path)) if path is not None else []
    yield from exposed or [ok("only their owner can read and write its files")]


def integrity(engine: Engine) -> Iterator[Finding]:
    """Examine whether the file is damaged. Skip a large file, because reading it takes long."""
    with reading(engine) as conn:
        path = server_status.database_file(conn)
        if path is not None and path.stat().st_size > MAX_BYTES_READ:
            command = f"sqlite3 {shlex.quote(str(path))} 'PRAGMA quick_check'"
            yield skipped(f"the file is large; to examine it: {command}")
            return
        damage = server_status.first_damage(conn)
    if damage is not None:
        yield problem(f"the file is damaged: {damage}", "restore it from a backup")
    else:
        yield ok("the file is not damaged")
