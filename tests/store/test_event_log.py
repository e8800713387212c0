"""A log is locked, read and appended to."""

from datetime import UTC, timedelta, timezone
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from catactl.errors import VersionConflict
from catactl.store import event_log, hash_chain
from catactl.store.event_log import EMPTY, Head
from catactl.store.sql.engine import reading, writing
from catactl.store.tables import logs
from tests.support import (
    NOON,
    read_log,
)

_LAST = 8


def test_a_lock_returns_the_head_and_the_later_events(engine: Engine, org_id: UUID) -> None:
    history = read_log(engine, org_id)
    with writing(engine) as conn:
        assert event_log.lock(conn, org_id)[:2] == (
            Head(_LAST, history[-1][13], history[-1].hash),
            [],
        )
    with writing(engine) as conn:
        head, later, *_ = event_log.lock(conn, org_id, 5)
    assert head.position == _LAST
    assert [each.event for each in later] == [each.event for each in history[5:]]


def test_a_new_log_is_empty(engine: Engine) -> None:
    with writing(engine) as conn:
        assert event_log.lock(conn, UUID(int=1), 0)[:2] == (EMPTY, [])


def test_a_lock_returns_a_limited_number_of_later_events(
    engine: Engine, org_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "_LATER", event_log._LATER.limit(2))
    with writing(engine) as conn:
        _, later, *_ = event_log.lock(conn, org_id, 0)
    assert len(later) == 2


def test_appending_after_an_old_head_is_a_version_conflict(engine: Engine, org_id: UUID) -> None:
    history = read_log(engine, org_id)
    stale = Head(_LAST - 1, NOON, history[-2].hash)
    forged = hash_chain.with_hash(stale, history[-1]._replace(event_id=UUID(int=9)))
    with pytest.raises(VersionConflict), writing(engine) as conn:
        event_log.append(conn, org_id, stale, [forged])
    assert read_log(engine, org_id) == history


def test_appending_a_version_that_exists_is_a_version_conflict(
    engine: Engine, org_id: UUID
) -> None:
    history = read_log(engine, org_id)
    last = history[-1]
    head = Head(_LAST, last.recorded_at, last.hash)
    forged = hash_chain.with_hash(head, last._replace(position=_LAST + 1, event_id=UUID(int=9)))
    with pytest.raises(VersionConflict), writing(engine) as conn:
        event_log.append(conn, org_id, head, [forged])
    assert read_log(engine, org_id) == history


@pytest.mark.parametrize(
    ("last_seconds", "seconds"), [(None, 0), (-1, 0), (0, 0), (60, 60), (60.000001, 0), (10**9, 0)]
)
def test_time_goes_back_only_if_a_log_is_over_a_minute_ahead(
    last_seconds: float | None, seconds: float
) -> None:
    last = NOON + timedelta(seconds=last_seconds) if last_seconds is not None else None
    instant = event_log.next_instant(
        Head(1, last, bytes(32)), NOON.astimezone(timezone(timedelta(hours=5)))
    )
    assert (instant, instant.tzinfo) == (NOON + timedelta(seconds=seconds), UTC)


def test_the_logs_head_is_the_last_event(engine: Engine, org_id: UUID) -> None:
    last = read_log(engine, org_id)[-1]
    with reading(engine) as conn:
        head = conn.execute(select(logs)).one()
    assert (head.position, head.recorded_at, head.head_hash) == (
        last.position,
        last.recorded_at,
        last.hash,
    )
