"""Operating-system processes race for one organization, on both databases.

A test confirms that the same race gives wrong results without the lock.
"""

from collections.abc import Callable

from sqlalchemy import URL, Engine

from catactl.handling.handler import Handler
from tests.processes import processes, receive, start
from tests.support import (
    Usage,
    assert_consistent,
    create_file,
    create_organization,
    opened,
    read_log,
    upload,
    usage,
)
from tests.workers import Race, Report, Slaughter, race, race_for_room, slaughter

_RACERS = 8
_UPLOADS = 70


def _run_race(target: Callable[..., None], what: Race) -> list[Report]:
    barrier = processes.Barrier(what.racers)
    racers = [start(target, what, number, barrier) for number in range(what.racers)]
    return [receive(racer) for racer in racers]


def _set_up(url: URL, uploads: int, quota_bytes: int | None = None, guarded: bool = True) -> Race:
    with opened(url) as engine:
        handler = Handler(engine)
        org_id = create_organization(handler, quota_bytes=quota_bytes)
        file_id = create_file(handler, org_id)
    text = url.render_as_string(hide_password=False)
    return Race(text, org_id, file_id, _RACERS, uploads, guarded)


def test_eight_processes_race_for_one_organization_and_usage_is_exact(
    database_url: URL, engine: Engine
) -> None:
    what = _set_up(database_url, uploads=_UPLOADS)
    reports = _run_race(race, what)
    assert [report.errors for report in reports] == [[]] * _RACERS
    uploaded, replaced = _UPLOADS * _RACERS, _UPLOADS * _RACERS // 5
    parts = sum(range(1, uploaded + 1))
    # The part three before every fifth is replaced by one that is ten bytes larger.
    scratch = sum(1_000 + number for number in range(_RACERS))
    expected = Usage(parts + 10 * replaced + scratch, 1 + _RACERS, uploaded + _RACERS)
    assert assert_consistent(engine, what.org_id) == expected
    deleted_and_restored = 2 * (_UPLOADS // 10) * _RACERS
    commands = uploaded + replaced + deleted_and_restored
    assert sum(report.done for report in reports) == commands
    # Created; the files, the scratch files' first parts and every command of the race in pairs.
    assert len(read_log(engine, what.org_id)) == 1 + 2 * (1 + 2 * _RACERS + commands)


def test_the_same_race_fails_without_the_lock(database_url: URL, engine: Engine) -> None:
    what = _set_up(database_url, uploads=60, guarded=False)
    reports = _run_race(race, what)
    errors = [error for report in reports for error in report.errors]
    try:
        assert_consistent(engine, what.org_id)
        drifted = False
    except AssertionError:
        drifted = True
    assert errors or drifted, "the race succeeded without the lock"


def test_eight_processes_never_overshoot_a_quota_and_fill_it_to_the_byte(
    database_url: URL, engine: Engine
) -> None:
    room, uploads = 100, 30
    what = _set_up(database_url, uploads=uploads, quota_bytes=10 * room)
    reports = _run_race(race_for_room, what)
    assert [report.errors for report in reports] == [[]] * _RACERS
    assert sum(report.done for report in reports) == room
    assert sum(report.refused for report in reports) == uploads * _RACERS - room
    assert assert_consistent(engine, what.org_id) == Usage(10 * room, 1, room)


def test_processes_killed_at_random_moments_leave_nothing_half_written(
    database_url: URL, engine: Engine
) -> None:
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_ids = tuple(create_file(handler, org_id, f"file-{number}") for number in range(4))
    before = len(read_log(engine, org_id))
    text = database_url.render_as_string(hide_password=False)
    what = Slaughter(text, org_id, file_ids, rounds=24, at_once=4, longest_ms=25)
    killed, complaints = receive(start(slaughter, what))
    assert complaints == []
    assert killed == what.rounds * what.at_once
    assert len(read_log(engine, org_id)) > before, "no process completed a command"
    assert_consistent(engine, org_id)
    upload(Handler(engine), org_id, create_file(handler, org_id, "after"), 1, 1)
    assert assert_consistent(engine, org_id) == usage(engine, org_id)
