"""Batches of lines run in one transaction. Each line has the same effect as by itself."""

from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, Engine

from catactl.errors import AlreadyExists, Busy, NotFound, QuotaExceeded, VersionConflict
from catactl.handling.handler import Handler
from catactl.store import event_log, name_lookup
from catactl.store.sql.engine import writing
from tests.operations.support import (
    apply_lines,
    apply_lines_at_once,
    assert_all_consistent,
    errors_of,
    line,
    org_id_of,
    part_line,
    results_of,
)
from tests.support import Usage, assert_consistent, contents, opened, read_log, usage


def test_a_batch_locks_each_organization_once_in_ascending_order(
    handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_lines(handler, [line("org.create", name=name) for name in "edcab"])
    locked: list[UUID] = []
    lock = event_log.lock

    def watched(conn: Any, org_id: UUID, after: int | None = None) -> Any:
        locked.append(org_id)
        return lock(conn, org_id, after)

    monkeypatch.setattr(event_log, "lock", watched)
    documents = [
        line("file.create", org, name=name, key=f"{org}{name}") for name in "xy" for org in "bacde"
    ]
    documents.append(line("org.create", name="f", key="created"))
    for at_once in (False, True):
        locked.clear()
        assert not errors_of((apply_lines_at_once if at_once else apply_lines)(handler, documents))
        assert len(locked) == 6
        assert locked == sorted(locked)


def test_a_refused_line_leaves_the_others_and_no_quota_is_passed(
    engine: Engine, two: Handler
) -> None:
    documents = [
        line("quota.set", "a", size_bytes=100),
        line("file.create", "a", name="x"),
        *(part_line("a", "x", number, 30) for number in range(1, 6)),
        part_line("a", "x", 9, 10),
        line("file.create", "a", name="x"),
        line("file.create", "b", name="x"),
        line("file.complete", "c", file="x"),
    ]
    errors = {6: QuotaExceeded, 7: QuotaExceeded, 9: AlreadyExists, 11: NotFound}
    assert errors_of(apply_lines(two, documents)) == errors
    assert assert_consistent(engine, org_id_of(engine, "a")) == Usage(100, 1, 4)
    assert assert_consistent(engine, org_id_of(engine, "b")) == Usage(0, 1, 0)


def test_a_refused_line_leaves_no_name_free_that_is_taken(engine: Engine, two: Handler) -> None:
    """The first line names the job by its id, so the old name is not looked up. It stays taken."""
    create = [line("job.create", "a", name=name, image="i") for name in ("old", "other")]
    job, _ = results_of(apply_lines(two, create))
    documents = [
        line("job.update", "a", job=job["job_id"], name="new", inputs=["x"]),
        line("job.update", "a", job="other", name="old"),
    ]
    apply_lines(two, [line("file.create", "a", name="x"), line("file.delete", "a", file="x")])
    errors = errors_of(apply_lines(two, documents))
    assert list(errors) == [1, 2]
    assert errors[2] is AlreadyExists
    assert_all_consistent(engine)


def test_a_batch_can_use_and_undo_its_own_changes(engine: Engine, two: Handler) -> None:
    documents = [
        line("file.create", "a", name="x"),
        part_line("a", "x", 1, 7),
        line("job.create", "a", name="j", image="i", inputs=["x"]),
        line("file.delete", "a", file="x"),
        line("job.delete", "a", job="j"),
        line("file.delete", "a", file="x"),
        line("file.restore", "a", file="x"),
        line("file.delete", "a", file="x"),
        line("file.create", "a", name="x"),
        part_line("a", "x", 1, 5),
        line("user.add", "a", email="u@x.org"),
        line("user.add", "a", email="U@x.org"),
        line("user.update", "a", user="u@x.org", role="owner"),
    ]
    assert list(errors_of(apply_lines(two, documents))) == [4, 12]
    assert assert_consistent(engine, org_id_of(engine, "a")) == Usage(5, 1, 1)


def test_a_line_can_have_an_expected_version_an_actor_and_a_reason(
    engine: Engine, two: Handler
) -> None:
    documents = [
        line("file.create", "a", name="x", actor="ada", reason="import"),
        line("file.complete", "a", file="x", expected_version=2),
        line("file.complete", "a", file="x", expected_version=1),
    ]
    assert errors_of(apply_lines(two, documents)) == {2: VersionConflict}
    by = [(each.type, each.actor, each.reason) for each in read_log(engine, org_id_of(engine, "a"))]
    assert by[1:] == [
        ("file.created", "ada", "import"),
        ("organization.storage_usage_changed", "ada", "import"),
        ("file.completed", "tester", None),
    ]


def test_fail_fast_runs_no_line_after_the_first_that_fails(engine: Engine, two: Handler) -> None:
    documents = [
        line("file.create", "a", name="x"),
        line("file.create", "a", name="x"),
        line("file.create", "b", name="x"),
        line("file.create", "b", name="y"),
    ]
    for batch in (10, 1):
        outcomes = apply_lines(two, documents, batch=batch, fails_fast=True)
        assert outcomes[-1].number == (2 if batch == 10 else 1)
        assert errors_of(outcomes)[outcomes[-1].number] is AlreadyExists
    assert usage(engine, org_id_of(engine, "a")).file_count == 1
    assert usage(engine, org_id_of(engine, "b")).file_count == 0


# --- names of organizations -----------------------------------------------------------------------


def test_an_organization_is_created_renamed_used_and_deleted_within_a_batch(
    engine: Engine, handler: Handler
) -> None:
    documents = [
        line("org.create", name="a", quota_bytes=10),
        line("file.create", "a", name="x"),
        line("org.rename", "a", new="b"),
        part_line("b", "x", 1, 7),
        line("file.create", "a", name="y"),
        line("org.create", name="a"),
        line("file.create", "a", name="y"),
        line("org.rename", "a", new="b"),
        line("file.delete", "a", file="y"),
        line("org.delete", "a", confirm="a"),
        line("org.create", name="a"),
        part_line("b", "x", 2, 3),
    ]
    assert errors_of(apply_lines(handler, documents)) == {5: NotFound, 8: AlreadyExists}
    assert assert_consistent(engine, org_id_of(engine, "b")) == Usage(10, 1, 2)
    assert assert_consistent(engine, org_id_of(engine, "a")) == Usage(0, 0, 0)
    assert_all_consistent(engine)


def test_a_name_that_another_writer_takes_just_now_fails_only_its_line(
    engine: Engine, two: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [
        line("file.create", "a", name="x"),
        line("org.create", name="b"),
        line("org.rename", "a", new="b"),
        part_line("a", "x", 1, 7),
        line("org.create", name="c"),
        line("file.create", "c", name="x"),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(name_lookup, "find_organization", lambda conn, name: None)
        outcomes = apply_lines(two, documents)
    assert errors_of(outcomes) == {2: AlreadyExists, 3: AlreadyExists}
    assert "another writer just now" in str(outcomes[2])
    assert assert_consistent(engine, org_id_of(engine, "a")) == Usage(7, 1, 1)
    assert assert_consistent(engine, org_id_of(engine, "c")) == Usage(0, 1, 0)
    assert_all_consistent(engine)


def test_a_lock_of_another_process_prevents_the_whole_batch(
    database_url: URL, engine: Engine, two: Handler
) -> None:
    documents = [
        line("file.create", "a", name="x"),
        line("file.create", "b", name="x"),
        line("org.create", name="c"),
    ]
    before = contents(engine)
    with opened(database_url, lock_timeout_seconds=0) as hurried, writing(engine) as conn:
        event_log.lock(conn, _id_in(conn, "b"))
        for runs in (apply_lines, apply_lines_at_once):
            with pytest.raises(Busy):
                runs(Handler(hurried), documents)
    assert contents(engine) == before


def _id_in(conn: Any, name: str) -> UUID:
    found = name_lookup.find_organization(conn, name)
    assert found is not None
    return found


def test_two_runs_in_opposite_orders_do_not_deadlock(
    database_url: URL, engine: Engine, two: Handler
) -> None:
    """Both batches create the same keyed organizations. Each is created once."""
    failures: list[object] = []

    def work(number: int) -> None:
        step = 1 if number else -1
        documents = [
            line("org.create", name="c", key="c"),
            *(line("file.create", org, name=f"{number}") for org in "abc"[::step]),
            *(
                part_line(org, str(number), turn, 10)
                for turn in range(1, 21)
                for org in ("abc" if (turn + number) % 2 else "cba")
            ),
        ]
        try:
            with opened(database_url) as own:
                failures.extend(errors_of(apply_lines(Handler(own), documents, batch=4)).items())
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name in "abc":
        assert assert_consistent(engine, org_id_of(engine, name)) == Usage(400, 2, 40)
