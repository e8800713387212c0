"""A database that was changed by hand leads to findings, not to bugs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import URL, Connection, Table, delete, func, select, text, update

from catactl.cli.framework.exit_codes import BUG
from catactl.store.tables import events, logs, storage_usage_days
from tests.cli.support import Cli
from tests.support import BYTES_1, tampering

_ASKING = (
    "usage show acme",
    "usage show acme --as-of -1d",
    "usage show --as-of now",
    "usage history acme",
    "usage history acme --from -2h --every hour",
    "usage report",
    "usage explain acme",
    "usage export --format cloudevents --from -1d",
    "usage check",
    "usage recompute --dry-run",
    "event list acme",
    "event verify",
    "file show acme data.bin --as-of now",
    "projection rebuild --dry-run",
    "doctor",
)


def _said(type_: str, **changes: Any) -> Callable[[Connection], None]:
    """Change fields of the payload of the last event of a type. None removes a field."""

    def tamper(conn: Connection) -> None:
        of_type = select(events.c.position, events.c.payload).where(events.c.type == type_)
        position, payload = conn.execute(of_type.order_by(events.c.position.desc())).all()[0]
        document = json.loads(payload) if isinstance(payload, str) else payload
        changed = document | changes
        row = update(events).where(events.c.position == position)
        conn.execute(row.values(payload=json.dumps(changed)))

    return tamper


def _every_second_event_gone(conn: Connection) -> None:
    conn.execute(delete(events).where(events.c.position % 2 == 0))


def _log_gone(conn: Connection) -> None:
    conn.execute(delete(logs))


def _damaged(table: Table, field: str, value: str) -> Callable[[Connection], None]:
    """Set a field to an SQL value that the database accepts. SQLite accepts any."""

    def tamper(conn: Connection) -> None:
        conn.execute(text(f"UPDATE {table.name} SET {field} = {value}"))

    return tamper


def _first_usage_event(payload: str) -> Callable[[Connection], None]:
    def tamper(conn: Connection) -> None:
        of_type = select(func.min(events.c.position)).where(events.c.type == _USAGE)
        first = events.c.position == of_type.scalar_subquery()
        conn.execute(update(events).where(first).values(payload=payload))

    return tamper


_USAGE, _PART = "organization.storage_usage_changed", "file.part_uploaded"


# A cursor of the server's that fails when it is opened is not closed by SQLAlchemy.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "tamper",
    [
        _said(_USAGE, used_bytes="abc"),
        _said(_USAGE, used_bytes=None),
        _said(_USAGE, used_bytes=10**26),
        _said(_PART, size_bytes="x"),
        _said(_PART, number="x"),
        _first_usage_event("{}"),
        _first_usage_event("[]"),
        _first_usage_event('{"used_bytes": 1.5, "delta_bytes": {}}'),
        _every_second_event_gone,
        _log_gone,
    ],
    ids=lambda tamper: tamper.__name__,
)
def test_a_change_by_hand_is_a_finding_not_a_bug(
    tamper: Callable[[Connection], None], acme: Cli, database_url: URL
) -> None:
    acme.ok("file", "create", "acme", "data.bin")
    for number in (1, 2):
        part = ("part", "record", "acme", "data.bin", number)
        acme.ok(*part, "--size", 5, "--sha256", BYTES_1)
    with tampering(database_url) as conn:
        tamper(conn)
    codes = {command: acme(*command.split(), "--json").code for command in _ASKING}
    assert BUG not in codes.values(), codes
    assert codes["event verify"] == codes["doctor"] == 6, codes


# Commands that read the table of days. `test_odd_values` has other values, and a check of rows.
_READ_DAYS = ("usage history acme", "usage report", "usage check", "doctor")
_ANYWHERE = (
    ("byte_microseconds", "-1"),
    ("closing_bytes", "-5"),
    ("day", "'2020-02-29'"),
)
_IN_POSTGRESQL = (
    ("changed_at", "'4000-01-01 BC'"),
    ("changed_at", "'200000-01-01'"),
    ("day", "'0044-03-15 BC'"),
)
_IN_SQLITE = (
    ("byte_microseconds", "''"),
    ("peak_bytes", "x'00'"),
    ("changed_at", "'abc'"),
    ("changed_at", "5"),
    ("day", "''"),
    ("day", "'2026-13-45'"),
    ("day", "5"),
)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_day_that_was_changed_by_hand_is_found_and_corrected(
    acme: Cli, database_url: URL
) -> None:
    acme.ok("part", "record", "acme", _file(acme), 1, "--size", 5, "--sha256", BYTES_1)
    its_own = _IN_SQLITE if database_url.get_backend_name() == "sqlite" else _IN_POSTGRESQL
    for field, value in (*_ANYWHERE, *its_own):
        with tampering(database_url) as conn:
            _damaged(storage_usage_days, field, value)(conn)
        codes = {command: acme(*command.split(), "--json").code for command in _READ_DAYS}
        assert BUG not in codes.values(), (field, value, codes)
        assert codes["usage check"] == 6, (field, value)
        assert acme("usage", "recompute").code == 0, (field, value)
        assert acme("usage", "check").code == 0


def _file(acme: Cli) -> str:
    file_id: str = acme.ok("file", "create", "acme", "data.bin")["file_id"]
    return file_id


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_time_that_was_changed_by_hand_is_a_finding_not_a_bug(
    acme: Cli, database_url: URL
) -> None:
    _file(acme)
    in_sqlite = ("''", "'abc'", "5")
    in_postgresql = ("'infinity'", "'0044-01-01 BC'", "'200000-01-01'")
    is_sqlite = database_url.get_backend_name() == "sqlite"
    for value in in_sqlite if is_sqlite else in_postgresql:
        with tampering(database_url) as conn:
            _damaged(events, "recorded_at", value)(conn)
        codes = {command: acme(*command.split(), "--json").code for command in _ASKING}
        assert BUG not in codes.values(), (value, codes)
        assert codes["event verify"] == codes["usage check"] == 6, (value, codes)
