"""What is examined in SQLite alone."""

import shlex
from collections.abc import Iterator

from sqlalchemy import Engine, false, update

from catactl.doctor import machine
from catactl.doctor.said import Said, ok, problem, skipped, warning
from catactl.errors import Busy, Forbidden
from catactl.store import server_status
from catactl.store.sql.engine import reading, writing
from catactl.store.sql.urls import file_of
from catactl.store.tables import logs

MOST_BYTES_READ = 256 * 1024 * 1024
_FULL = 2


def writable(engine: Engine) -> Iterator[Said]:
    """Whether something can be written; it is nothing, and rolled back."""
    try:
        with writing(engine) as conn:
            conn.execute(update(logs).where(false()).values(position=0))
        yield ok("it can be written to")
    except Busy:
        yield ok("it can be written to, and somebody does so just now")
    except Forbidden as error:
        yield problem(error.message, f"make {file_of(engine.url)} and its folder writable")


def durability(engine: Engine) -> Iterator[Said]:
    """Whether a commit outlives a crash, and locks hold."""
    with reading(engine) as conn:
        journal_mode = server_status.pragma(conn, "journal_mode")
        synchronous = server_status.pragma(conn, "synchronous")
        path = server_status.database_file(conn)
    safe = True
    if int(synchronous) < _FULL:
        safe = False
        yield problem(
            f"synchronous is {synchronous}: a power cut can take back what was confirmed",
            "PRAGMA synchronous = FULL",
        )
    network = machine.network_file_system(path) if path is not None else None
    if network is not None:
        safe = False
        yield warning(
            f"{path} lies on {network}, where locks may not hold between machines",
            "keep it on a local disk, or use PostgreSQL",
        )
    if journal_mode != "wal":
        safe = False
        yield warning(
            f"the journal mode is {journal_mode}, wal cannot be had here: who reads and who writes "
            "wait for each other",
            "keep it on a local disk",
        )
    if safe:
        yield ok("journal mode wal, synchronous full")


def access(engine: Engine) -> Iterator[Said]:
    """Whether the database is its owner's alone."""
    with reading(engine) as conn:
        path = server_status.database_file(conn)
    said = list(machine.exposed(path)) if path is not None else []
    yield from said or [ok("its files are their owner's alone")]


def integrity(engine: Engine) -> Iterator[Said]:
    """Whether the file is whole; one that takes long to read is left out."""
    with reading(engine) as conn:
        path = server_status.database_file(conn)
        if path is not None and path.stat().st_size > MOST_BYTES_READ:
            by_hand = f"sqlite3 {shlex.quote(str(path))} 'PRAGMA quick_check'"
            yield skipped(f"left out: the file takes long to read: {by_hand}")
            return
        damage = server_status.first_damage(conn)
    if damage is not None:
        yield problem(f"the file is damaged: {damage}", "restore it from a backup")
    else:
        yield ok("the file is whole")
