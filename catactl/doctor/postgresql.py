"""What is examined in PostgreSQL alone."""

import shlex
from collections.abc import Iterator

from sqlalchemy import Engine

from catactl.doctor.said import Said, ok, problem, warning
from catactl.store import grants, server_status
from catactl.store.server_status import ServerSetting
from catactl.store.sql.engine import reading

_NAMES = ("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names")
# By the source that pg_settings names.
_PLACES = {
    "client": "in the database URL's options or PGOPTIONS",
    "user": "by ALTER ROLE",
    "database": "by ALTER DATABASE",
    "database user": "by ALTER ROLE … IN DATABASE",
}


def writable(engine: Engine) -> Iterator[Said]:
    """Examine whether the server accepts writes."""
    with reading(engine) as conn:
        is_standby = server_status.is_standby(conn)
    if is_standby:
        yield problem("the server is a standby, which can only be read", "connect to its primary")
    else:
        yield ok("it can be written to")


def durability(engine: Engine) -> Iterator[Said]:
    """Whether a commit that was confirmed outlives a crash, as this session is set."""
    with reading(engine) as conn:
        settings = server_status.server_settings(conn, _NAMES)
    said = list(_risks(settings))
    yield from said or [ok("fsync, full_page_writes and synchronous_commit are on")]


def _risks(settings: dict[str, ServerSetting]) -> Iterator[Said]:
    fsync, pages, commit, standbys = (settings[name] for name in _NAMES)
    if fsync.value == "off":
        yield problem("fsync is off: a crash can destroy the database", _set("fsync", "on", fsync))
    if pages.value == "off":
        yield warning(
            "full_page_writes is off: a crash can damage the database, unless its file system "
            "writes pages whole, as ZFS does",
            _set("full_page_writes", "on", pages),
        )
    if commit.value == "off":
        yield problem(
            "synchronous_commit is off: a crash can take back what was confirmed, whose content "
            "stays behind",
            _set("synchronous_commit", "on", commit),
        )
    elif commit.value in {"local", "remote_write"} and standbys.value:
        yield warning(
            f"synchronous_commit is {commit.value}: a failover can take back what was confirmed",
            _set("synchronous_commit", "on", commit),
        )


def _set(name: str, value: str, setting: ServerSetting) -> str:
    return f"set {name} = {value} {_PLACES.get(setting.source, 'in postgresql.conf')}"


def access(engine: Engine) -> Iterator[Said]:
    """Whether the role may do what commands need, and no more: the past is not its to change."""
    with reading(engine) as conn:
        role = server_status.role(conn)
        lacking = server_status.lacking_privileges(conn, grants.needed())
    give = f"catactl db grants {shlex.quote(role.name)} | psql, as the owner of the tables"
    if lacking:
        listed = ", ".join(f"{privilege} on {table}" for table, privilege in lacking)
        yield problem(f"role {role.name!r} lacks {listed}", give)
    if role.is_superuser:
        why = "is a superuser"
    elif role.owns_events:
        why = "owns the events"
    elif role.may_change_events:
        why = "may update, delete or truncate events"
    else:
        why = ""
    if why:
        yield warning(
            f"role {role.name!r} {why}: the past is safer from one that can only add to it",
            give if why.startswith("may") else "connect as another role: catactl db grants ROLE",
        )
    elif not lacking:
        yield ok(f"role {role.name!r} may do all it needs, and cannot change events")
