"""A database that somebody changed by hand: what commands say then is a finding, never a bug."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import URL, Connection, delete, select, update

from catactl.cli.exits import BUG
from catactl.store.tables import events, logs
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
    """Change fields of the payload of the last event of a type; None takes one away."""

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
        _every_second_event_gone,
        _log_gone,
    ],
    ids=lambda tamper: tamper.__name__,
)
def test_what_was_changed_by_hand_is_a_finding_and_no_bug(
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
