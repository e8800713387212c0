"""Read the state and settings of a database for `catactl doctor`."""

import hashlib
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, func, select, text

from catactl.store.tables import events, logs


class ServerSetting(NamedTuple):
    """A setting of PostgreSQL in this session, and where it was set: `client`, `user` …"""

    value: str
    source: str


class DatabaseRole(NamedTuple):
    """The role that is connected to PostgreSQL. `owns_events` is also true for a member of the role
    that owns the table.
    """

    name: str
    is_superuser: bool
    owns_events: bool
    may_change_events: bool


class LogHead(NamedTuple):
    """The head of a log."""

    org_id: UUID
    position: int
    recorded_at: datetime


# --- both databases -------------------------------------------------------------------------------


def newest_logs(conn: Connection, limit: int, max_position: int | None = None) -> list[LogHead]:
    """Return the logs that were written last, at most `limit`. Omit logs that are longer than
    `max_position`.
    """
    query = select(logs.c.org_id, logs.c.position, logs.c.recorded_at)
    if max_position is not None:
        query = query.where(logs.c.position <= max_position)
    newest = query.order_by(logs.c.recorded_at.desc(), logs.c.org_id.desc()).limit(limit)
    return [LogHead(*row) for row in conn.execute(newest)]


def count_logs(conn: Connection) -> int:
    """Return the number of logs."""
    return conn.execute(select(func.count()).select_from(logs)).scalar_one()


def database_name(conn: Connection) -> str:
    """Return 16 hexadecimal digits that differ between a database and its copy. On SQLite they
    depend on the file's device and inode, on PostgreSQL on the database's oid and the server's
    identifier and address.

    The address differs between a server and a copy of its disk. The identifier differs between two
    servers behind local sockets, which have no address and often the same oids.
    """
    if conn.dialect.name == "postgresql":
        row = conn.execute(
            text(
                "SELECT oid::text, inet_server_addr()::text, current_setting('port'),"
                " system_identifier::text FROM pg_database, pg_control_system()"
                " WHERE datname = current_database()"
            )
        ).one()
        facts = tuple(row)
    else:
        path = database_file(conn)
        status = path.stat() if path is not None else None
        facts = (status.st_dev, status.st_ino) if status is not None else ()
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


# --- PostgreSQL -----------------------------------------------------------------------------------


def server_version(conn: Connection) -> tuple[str, int]:
    """Return the version, as in `16.2`, and its major number."""
    version, number = conn.execute(
        text("SELECT current_setting('server_version'), current_setting('server_version_num')::int")
    ).one()
    return version, number // 10_000


def server_settings(conn: Connection, names: Iterable[str]) -> dict[str, ServerSetting]:
    """Return the settings with the given names that the server has."""
    rows = conn.execute(
        text("SELECT name, setting, source FROM pg_settings WHERE name = ANY(:names)"),
        {"names": list(names)},
    )
    return {name: ServerSetting(value, source) for name, value, source in rows}


def is_standby(conn: Connection) -> bool:
    """Return whether the server is a standby."""
    return bool(conn.execute(text("SELECT pg_is_in_recovery()")).scalar())


def role(conn: Connection) -> DatabaseRole:
    """Return the session's role."""
    row = conn.execute(
        text(
            "SELECT current_user, rolsuper, pg_has_role(relowner, 'MEMBER'),"
            " has_any_column_privilege(pg_class.oid, 'UPDATE')"
            " OR has_table_privilege(pg_class.oid, 'DELETE')"
            " OR has_table_privilege(pg_class.oid, 'TRUNCATE')"
            " FROM pg_class, pg_roles"
            " WHERE pg_class.oid = CAST(:events AS regclass) AND rolname = current_user"
        ),
        {"events": events.name},
    ).one()
    return DatabaseRole(*row)


def lacking_privileges(
    conn: Connection, needed: dict[str, tuple[str, ...]]
) -> list[tuple[str, str]]:
    """Return the privileges that the session's role lacks, as (table, privilege)."""
    pairs = [(table, privilege) for table, all_ in needed.items() for privilege in all_]
    rows = conn.execute(
        text(
            "SELECT needed.* FROM unnest(CAST(:tables AS text[]), CAST(:privileges AS text[]))"
            " AS needed (name, privilege) WHERE NOT has_table_privilege(name, privilege)"
        ),
        {"tables": [pair[0] for pair in pairs], "privileges": [pair[1] for pair in pairs]},
    )
    return [(table, privilege) for table, privilege in rows]


# --- SQLite ---------------------------------------------------------------------------------------


def database_file(conn: Connection) -> Path | None:
    """Return the real path of the database, with links resolved; None if it is in memory."""
    # Read the path as bytes, because it need not be UTF-8.
    query = "SELECT CAST(file AS BLOB) FROM pragma_database_list WHERE name = 'main'"
    path: bytes | None = conn.exec_driver_sql(query).scalar()
    return Path(os.fsdecode(path)) if path else None


def pragma(conn: Connection, name: str) -> str:
    """Return the value of a pragma."""
    return str(conn.exec_driver_sql(f"PRAGMA {name}").scalar())


def first_damage(conn: Connection) -> str | None:
    """Read the whole file; return the first damage that SQLite finds, None if there is none."""
    result = pragma(conn, "quick_check(1)")
    return None if result == "ok" else result
