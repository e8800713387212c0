"""A log that is ahead of the clock accepts only a correction. Afterwards its dates are right."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from catactl.content.references import deleted_at, files_to_sweep, is_organization_deleted
from catactl.domain.decider import CommandEnvelope
from catactl.domain.file import DeleteFile, UploadPart
from catactl.domain.organization import (
    CorrectClock,
    CorrectStorageUsage,
    DeleteOrganization,
    SetQuota,
    SweepOrganizationContent,
)
from catactl.errors import ClockBehindLog, Refused
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.store import clock as clocks
from catactl.store.canonical_json import format_instant
from catactl.store.clock import ahead_seconds, in_words
from catactl.store.sql.engine import reading
from catactl.store.tables import organizations, storage_usage
from catactl.usage.adjustments import adjustments
from catactl.usage.cloudevents import cloudevents
from catactl.usage.explain import explain
from catactl.usage.report import lines
from catactl.values.times import Interval
from tests.support import (
    BYTES_1,
    INTENT,
    NOON,
    Clock,
    assert_consistent,
    create_file,
    create_organization,
    delete_file,
    event_types,
    projection_rows,
    read_log,
    run,
    upload,
)

LATER = NOON + timedelta(hours=1)
AHEAD = timedelta(days=1_500)


class Wrong:
    """An organization with events of a clock that was years ahead and is right now."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = Clock()
        self.handler = Handler(engine, clock=self.clock)
        self.org_id = create_organization(self.handler)
        self.file_id = create_file(self.handler, self.org_id)
        upload(self.handler, self.org_id, self.file_id, 1, 100)
        self.clock.now += AHEAD
        upload(self.handler, self.org_id, self.file_id, 2, 1_000)
        run(self.handler, self.org_id, self.org_id, CorrectStorageUsage(1_100, 1, 2, "test", 0))
        self.deleted_id = create_file(self.handler, self.org_id, "deleted")
        delete_file(self.handler, self.org_id, self.deleted_id)
        self.clock.now = LATER

    def correct(self, handler: Handler | None = None) -> None:
        last = read_log(self.engine, self.org_id)[-1].recorded_at
        command = CorrectClock(last, self.clock.now)
        outcome = run(handler or self.handler, self.org_id, self.org_id, command)
        assert event_types(outcome) == ["organization.clock_corrected"]


@pytest.fixture
def wrong(engine: Engine) -> Wrong:
    return Wrong(engine)


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize(
    "command",
    [
        SetQuota(1),
        DeleteOrganization(),
        CorrectStorageUsage(1, 1, 1, "test", 0),
        SweepOrganizationContent({BYTES_1: 1}),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_log_that_is_ahead_of_the_clock_accepts_no_command(
    wrong: Wrong, command: Any, remembers: bool
) -> None:
    handler = wrong.handler if remembers else Handler(wrong.engine, clock=wrong.clock)
    before = read_log(wrong.engine, wrong.org_id)
    with pytest.raises(ClockBehindLog, match="'acme' is 4 years, 38 days ahead of") as raised:
        run(handler, wrong.org_id, wrong.org_id, command)
    assert "dated 2030-04-09T12:00:00.000000Z" in raised.value.message
    assert "catactl event correct-clock acme" in (raised.value.hint or "")
    for of_file in (UploadPart(3, 1, BYTES_1), DeleteFile()):
        with pytest.raises(ClockBehindLog):
            run(handler, wrong.org_id, wrong.file_id, of_file)
    assert read_log(wrong.engine, wrong.org_id) == before


def test_the_error_names_the_owner_of_the_clock(wrong: Wrong) -> None:
    whose = {"sqlite": "this machine's", "postgresql": "the database server's"}
    with pytest.raises(ClockBehindLog, match=whose[wrong.engine.dialect.name]):
        run(wrong.handler, wrong.org_id, wrong.org_id, SetQuota(1))


@pytest.mark.parametrize("remembers", [True, False])
def test_after_a_correction_new_events_have_the_right_dates(wrong: Wrong, remembers: bool) -> None:
    before = read_log(wrong.engine, wrong.org_id)
    wrong.correct(wrong.handler if remembers else Handler(wrong.engine, clock=wrong.clock))
    wrong.clock.advance(seconds=1)
    upload(wrong.handler, wrong.org_id, wrong.file_id, 3, 10)
    log = read_log(wrong.engine, wrong.org_id)
    assert log[: len(before)] == before
    assert [each.recorded_at for each in log[len(before) :]] == [
        LATER,
        *[LATER + timedelta(seconds=1)] * 2,
    ]
    assert_consistent(wrong.engine, wrong.org_id)
    with reading(wrong.engine) as conn:
        recorded_at = conn.execute(select(storage_usage.c.recorded_at)).scalar()
    assert recorded_at == LATER + timedelta(seconds=1)


def test_a_correction_leaves_no_date_in_the_future(wrong: Wrong) -> None:
    wrong.correct()
    org_id = wrong.org_id
    assert_consistent(wrong.engine, org_id)
    with reading(wrong.engine) as conn:
        assert conn.execute(select(storage_usage.c.recorded_at)).scalar() == LATER
        entries = list(explain(conn, org_id))
        assert max(each.recorded_at for each in entries if each.recorded_at) == LATER
        exported = list(cloudevents(conn, [org_id], {org_id: 0}, {org_id: 1_000}))
        assert max(each["time"] for each in exported) == "2026-03-01T13:00:00.000000Z"
        assert deleted_at(conn, org_id, wrong.deleted_id) == LATER
        assert files_to_sweep(conn, org_id, LATER) == [wrong.deleted_id]
        assert files_to_sweep(conn, org_id, LATER - timedelta(microseconds=1)) == []


def test_a_correction_does_not_change_a_closed_period(wrong: Wrong) -> None:
    over, open_ = Interval(NOON - timedelta(days=1), LATER), Interval(LATER, LATER + AHEAD)
    with reading(wrong.engine) as conn:
        before = list(lines(conn, over, None))
    wrong.correct()
    with reading(wrong.engine) as conn:
        assert list(lines(conn, over, None)) == before
        (line,) = lines(conn, open_, None)
        assert list(adjustments(conn, over, None)) == []
        (adjustment,) = adjustments(conn, open_, [wrong.org_id])
    assert (line.span.opening_bytes, line.span.closing_bytes) == (100, 1_100)
    assert adjustment["start"] == format_instant(LATER)


def test_an_organization_created_in_the_future_counts_from_its_correction(
    engine: Engine,
) -> None:
    clock = Clock(NOON + AHEAD)
    handler = Handler(engine, clock=clock)
    org_id = create_organization(handler)
    run(handler, org_id, org_id, DeleteOrganization())
    clock.now = NOON
    run(handler, org_id, org_id, CorrectClock(NOON + AHEAD, NOON))
    with reading(engine) as conn:
        assert conn.execute(select(organizations.c.created_at)).scalar() == NOON
        assert is_organization_deleted(conn, org_id, NOON)
        assert not is_organization_deleted(conn, org_id, NOON - timedelta(microseconds=1))


def test_a_dry_run_corrects_nothing(wrong: Wrong) -> None:
    before = read_log(wrong.engine, wrong.org_id)
    with reading(wrong.engine) as conn:
        rows = projection_rows(conn, wrong.org_id)
    last = before[-1].recorded_at
    dry = Intent(INTENT.actor, dry_run=True)
    run(wrong.handler, wrong.org_id, wrong.org_id, CorrectClock(last, LATER), dry)
    assert read_log(wrong.engine, wrong.org_id) == before
    with reading(wrong.engine) as conn:
        assert projection_rows(conn, wrong.org_id) == rows


def test_one_transaction_corrects_the_clock_and_runs_another_command(wrong: Wrong) -> None:
    def work(_conn: Any, unit: Any) -> dict[str, Any]:
        with pytest.raises(ClockBehindLog):
            unit.run(CommandEnvelope(wrong.org_id, SetQuota(10**6)))
        unit.run(CommandEnvelope(wrong.org_id, CorrectClock(unit.head.recorded_at, unit.now)))
        unit.run(CommandEnvelope(wrong.file_id, UploadPart(3, 10, BYTES_1)))
        return {}

    wrong.handler.transact(wrong.org_id, INTENT, work)
    assert_consistent(wrong.engine, wrong.org_id)
    assert read_log(wrong.engine, wrong.org_id)[-1].recorded_at == LATER


@pytest.mark.parametrize("seconds", [-1, 0, 1, 60])
def test_the_clock_of_a_log_that_is_at_most_a_minute_ahead_is_not_corrected(
    engine: Engine, seconds: int
) -> None:
    clock = Clock()
    handler = Handler(engine, clock=clock)
    org_id = create_organization(handler)
    clock.advance(seconds=-seconds)

    def work(_conn: Any, unit: Any) -> dict[str, Any]:
        unit.run(CommandEnvelope(org_id, CorrectClock(unit.head.recorded_at, unit.now)))
        return {}

    with pytest.raises(Refused, match="the log of organization 'acme' is not ahead of the clock"):
        handler.transact(org_id, INTENT, work)


def test_all_logs_that_are_ahead_are_found(wrong: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    create_organization(Handler(wrong.engine, clock=wrong.clock), "beta")
    monkeypatch.setattr(clocks, "now", lambda _conn: LATER)
    ahead: dict[UUID, int] = {wrong.org_id: 1_500 * 86_400 - 3_600}
    with reading(wrong.engine) as conn:
        assert clocks.logs_ahead(conn) == clocks.logs_ahead(conn, [wrong.org_id]) == ahead
        assert clocks.logs_ahead(conn, []) == {}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, 0),
        (NOON - timedelta(days=9), 0),
        (NOON + timedelta(seconds=60), 0),
        (NOON + timedelta(seconds=60, microseconds=1), 60),
        (NOON + timedelta(days=1, seconds=1.5), 86_401),
    ],
)
def test_a_log_is_ahead_from_a_minute_on(last: datetime | None, expected: int) -> None:
    assert ahead_seconds(last, NOON) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (61, "1 minute, 1 second"),
        (7_200, "2 hours"),
        (86_400 + 59, "1 day"),
        (31_557_600 * 1_000 + 86_400 * 3, "1,000 years, 3 days"),
    ],
)
def test_durations_are_shown_in_their_two_largest_units(seconds: int, text: str) -> None:
    assert in_words(seconds) == text
