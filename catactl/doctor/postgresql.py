"""Examine a PostgreSQL server."""

import shlex
from collections.abc import Iterator

from sqlalchemy import Engine

from catactl.doctor.findings import Finding, ok, problem, warning
from catactl.store import grants, server_status
from catactl.store.server_status import ServerSetting
from catactl.store.sql.engine import reading

_NAMES = ("fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names")
# Where to change a setting, by its source in pg_settings.
_PLACES = {
    "client": "in the database URL's options or PGOPTIONS",
    "user": "by ALTER ROLE",
    "database": "by ALTER DATABASE",
    "database user": "by ALTER ROLE … IN DATABASE",
}


def writable(engine: Engine) -> Iterator[Finding]:
    """Examine whether the server accepts writes."""
    with reading(engine) as conn:
        is_standby = server_status.is_standby(conn)
    if is_standby:
        yield problem("the server is a standby, which is read-only", "connect to its primary")
    else:
        yield ok("the server accepts writes")


def durability(engine: Engine) -> Iterator[Finding]:
    """Examine whether the settings of this session let a confirmed commit survive a crash."""
    with reading(engine) as conn:
        settings = server_status.server_settings(conn, _NAMES)
    risks = list(_risks(settings))
    yield from risks or [ok("fsync, full_page_writes and synchronous_commit are on")]


def _risks(settings: dict[str, ServerSetting]) -> Iterator[Finding]:
    fsync, pages, commit, standbys = (settings[name] for name in _NAMES)
    if fsync.value == "off":
        yield problem("fsync is off: a crash can destroy the database", _set("fsync", "on", fsync))
    if pages.value == "off":
        yield warning(
            "full_page_writes is off: a crash can damage the database, unless its file system "
            "writes whole pages, as ZFS does",
            _set("full_page_writes", "on", pages),
        )
    if commit.value == "off":
        yield problem(
            "synchronous_commit is off: a crash can undo confirmed commits, whose content stays "
            "in the blob store",
            _set("synchronous_commit", "on", commit),
        )
    elif commit.value in {"local", "remote_write"} and standbys.value:
        yield warning(
            f"synchronous_commit is {commit.value}: a failover can undo confirmed commits",
            _set("synchronous_commit", "on", commit),
        )


def _set(name: str, value: str, setting: ServerSetting) -> str:
    return f"set {name} = {value} {_PLACES.get(setting.source, 'in postgresql.conf')}"


def access(engine: Engine) -> Iterator[Finding]:
    """Examine whether the role has the privileges that commands need, and cannot change events."""
    with reading(engine) as conn:
        role = server_status.role(conn)
        lacking = server_status.lacking_privileges(conn, grants.needed())
    grant = f"catactl db grants {shlex.quote(role.name)} | psql, as the owner of the tables"
    if lacking:
        listed = ", ".join(f"{privilege} on {table}" for table, privilege in lacking)
        yield problem(f"role {role.name!r} lacks {listed}", grant)
    other_role = "connect as another role: catactl db grants ROLE"
    if role.is_superuser:
        yield _can_change_events(role.name, "is a superuser", other_role)
    elif role.owns_events:
        yield _can_change_events(role.name, "owns the events", other_role)
    elif role.may_change_events:
        yield _can_change_events(role.name, "may update, delete or truncate events", grant)
    elif not lacking:
        yield ok(f"role {role.name!r} has all privileges that it needs, and cannot change events")


def _can_change_events(role_name: str, reason: str, hint: str) -> Finding:
    return warning(
        f"role {role_name!r} {reason}: a role that can only add events protects them better", hint
    )
