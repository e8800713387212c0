"""Batches of lines: they come to the same as their lines one by one, and are done once."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Engine, select

from catactl.errors import (
    AlreadyExists,
    Busy,
    CatactlError,
    IdempotencyConflict,
    NotFound,
    QuotaExceeded,
    VersionConflict,
)
from catactl.handling.handler import Handler, Intent
from catactl.operations import batch as batches
from catactl.operations.batch import Done, Outcome, StoppedAt, apply_at_once, apply_in_batches
from catactl.operations.batch_lines import Failed, Line, read_lines
from catactl.store import event_log, name_lookup
from catactl.store.sql.engine import reading, writing
from catactl.store.tables import (
    file_parts,
    files,
    job_configurations,
    logs,
    metadata,
    organizations,
    users,
)
from tests.support import (
    BYTES_1,
    INTENT,
    Usage,
    assert_consistent,
    opened,
    read_log,
    usage,
)

_Document = dict[str, Any]


def _line(command: str, org: str | None = None, **arguments: Any) -> _Document:
    return {"command": command, **({"org": org} if org is not None else {}), **arguments}


def _part(org: str, file: str, number: int, size_bytes: int, **more: Any) -> _Document:
    content = {"number": number, "size_bytes": size_bytes, "sha256": BYTES_1}
    return _line("part.record", org, file=file, **content, **more)


def _read(documents: Sequence[_Document], intent: Intent = INTENT) -> Iterator[Line | Failed]:
    text = "".join(json.dumps(each) + "\n" for each in documents)
    return read_lines(io.BytesIO(text.encode()), intent)


def _apply(
    handler: Handler,
    documents: Sequence[_Document],
    intent: Intent = INTENT,
    *,
    batch: int = 1_000,
    fails_fast: bool = False,
) -> list[Outcome]:
    lines = _read(documents, intent)
    done = apply_in_batches(handler, lines, intent, batch, fails_fast=fails_fast)
    return [outcome for outcomes in done for outcome in outcomes]


def _apply_at_once(
    handler: Handler, documents: Sequence[_Document], intent: Intent = INTENT, *, batch: int = 1_000
) -> list[Outcome]:
    kept: list[Outcome] = []

    def open_lines() -> Iterator[Line | Failed]:
        kept.clear()
        return _read(documents, intent)

    apply_at_once(handler, open_lines, intent, batch, kept.extend)
    return kept


def _errors(outcomes: Sequence[Outcome]) -> dict[int, type[CatactlError]]:
    """The lines that failed, and with what."""
    return {each.number: type(each.error) for each in outcomes if isinstance(each, Failed)}


def _replayed(outcomes: Sequence[Outcome]) -> list[int]:
    return [each.number for each in outcomes if isinstance(each, Done) and each.replayed]


def _results(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [each.result for each in outcomes if isinstance(each, Done)]


def _id(engine: Engine, name: str) -> UUID:
    with reading(engine) as conn:
        return name_lookup.resolve_organization(conn, name)


def _contents(engine: Engine) -> dict[str, list[str]]:
    """Every row of every table."""
    with reading(engine) as conn:
        return {
            table.name: sorted(map(repr, conn.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }


def _assert_all_consistent(engine: Engine) -> None:
    with reading(engine) as conn:
        org_ids = list(conn.execute(select(logs.c.org_id)).scalars())
    for org_id in org_ids:
        assert_consistent(engine, org_id)


@pytest.fixture
def two(handler: Handler) -> Handler:
    """A handler where there are two organizations, `a` and `b`."""
    assert not _errors(_apply(handler, [_line("org.create", name=name) for name in "ab"]))
    return handler


# --- one transaction ------------------------------------------------------------------------------


def test_a_batch_locks_each_organization_once_in_ascending_order(
    handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    _apply(handler, [_line("org.create", name=name) for name in "edcab"])
    locked: list[UUID] = []
    lock = event_log.lock

    def watched(conn: Any, org_id: UUID, after: int | None = None) -> Any:
        locked.append(org_id)
        return lock(conn, org_id, after)

    monkeypatch.setattr(event_log, "lock", watched)
    documents = [
        _line("file.create", org, name=name, key=f"{org}{name}") for name in "xy" for org in "bacde"
    ]
    documents.append(_line("org.create", name="f", key="created"))
    for at_once in (False, True):
        locked.clear()
        assert not _errors((_apply_at_once if at_once else _apply)(handler, documents))
        assert len(locked) == 6
        assert locked == sorted(locked)


def test_a_refused_line_leaves_the_others_and_no_quota_is_passed(
    engine: Engine, two: Handler
) -> None:
    documents = [
        _line("quota.set", "a", size_bytes=100),
        _line("file.create", "a", name="x"),
        *(_part("a", "x", number, 30) for number in range(1, 6)),
        _part("a", "x", 9, 10),
        _line("file.create", "a", name="x"),
        _line("file.create", "b", name="x"),
        _line("file.complete", "c", file="x"),
    ]
    errors = {6: QuotaExceeded, 7: QuotaExceeded, 9: AlreadyExists, 11: NotFound}
    assert _errors(_apply(two, documents)) == errors
    assert assert_consistent(engine, _id(engine, "a")) == Usage(100, 1, 4)
    assert assert_consistent(engine, _id(engine, "b")) == Usage(0, 1, 0)


def test_a_refused_line_leaves_no_name_free_that_is_taken(engine: Engine, two: Handler) -> None:
    """A job is renamed by its id, so nobody asked for the name it has, and that is refused."""
    create = [_line("job.create", "a", name=name, image="i") for name in ("old", "other")]
    job, _ = _results(_apply(two, create))
    documents = [
        _line("job.update", "a", job=job["job_id"], name="new", inputs=["x"]),
        _line("job.update", "a", job="other", name="old"),
    ]
    _apply(two, [_line("file.create", "a", name="x"), _line("file.delete", "a", file="x")])
    errors = _errors(_apply(two, documents))
    assert list(errors) == [1, 2]
    assert errors[2] is AlreadyExists
    _assert_all_consistent(engine)


def test_what_a_batch_made_can_be_used_and_undone_in_it(engine: Engine, two: Handler) -> None:
    documents = [
        _line("file.create", "a", name="x"),
        _part("a", "x", 1, 7),
        _line("job.create", "a", name="j", image="i", inputs=["x"]),
        _line("file.delete", "a", file="x"),
        _line("job.delete", "a", job="j"),
        _line("file.delete", "a", file="x"),
        _line("file.restore", "a", file="x"),
        _line("file.delete", "a", file="x"),
        _line("file.create", "a", name="x"),
        _part("a", "x", 1, 5),
        _line("user.add", "a", email="u@x.org"),
        _line("user.add", "a", email="U@x.org"),
        _line("user.update", "a", user="u@x.org", role="owner"),
    ]
    assert list(_errors(_apply(two, documents))) == [4, 12]
    assert assert_consistent(engine, _id(engine, "a")) == Usage(5, 1, 1)


def test_a_line_says_at_what_version_it_saw_things_and_who_wants_it_and_why(
    engine: Engine, two: Handler
) -> None:
    documents = [
        _line("file.create", "a", name="x", actor="ada", reason="import"),
        _line("file.complete", "a", file="x", expected_version=2),
        _line("file.complete", "a", file="x", expected_version=1),
    ]
    assert _errors(_apply(two, documents)) == {2: VersionConflict}
    by = [(each.type, each.actor, each.reason) for each in read_log(engine, _id(engine, "a"))]
    assert by[1:] == [
        ("file.created", "ada", "import"),
        ("organization.storage_usage_changed", "ada", "import"),
        ("file.completed", "tester", None),
    ]


def test_fail_fast_does_nothing_after_the_first_line_that_fails(
    engine: Engine, two: Handler
) -> None:
    documents = [
        _line("file.create", "a", name="x"),
        _line("file.create", "a", name="x"),
        _line("file.create", "b", name="x"),
        _line("file.create", "b", name="y"),
    ]
    for batch in (10, 1):
        outcomes = _apply(two, documents, batch=batch, fails_fast=True)
        assert outcomes[-1].number == (2 if batch == 10 else 1)
        assert _errors(outcomes)[outcomes[-1].number] is AlreadyExists
    assert usage(engine, _id(engine, "a")).file_count == 1
    assert usage(engine, _id(engine, "b")).file_count == 0


# --- names of organizations -----------------------------------------------------------------------


def test_an_organization_is_created_renamed_used_and_deleted_within_a_batch(
    engine: Engine, handler: Handler
) -> None:
    documents = [
        _line("org.create", name="a", quota_bytes=10),
        _line("file.create", "a", name="x"),
        _line("org.rename", "a", new="b"),
        _part("b", "x", 1, 7),
        _line("file.create", "a", name="y"),
        _line("org.create", name="a"),
        _line("file.create", "a", name="y"),
        _line("org.rename", "a", new="b"),
        _line("file.delete", "a", file="y"),
        _line("org.delete", "a", confirm="a"),
        _line("org.create", name="a"),
        _part("b", "x", 2, 3),
    ]
    assert _errors(_apply(handler, documents)) == {5: NotFound, 8: AlreadyExists}
    assert assert_consistent(engine, _id(engine, "b")) == Usage(10, 1, 2)
    assert assert_consistent(engine, _id(engine, "a")) == Usage(0, 0, 0)
    _assert_all_consistent(engine)


def test_a_name_that_another_takes_just_now_fails_that_line_alone(
    engine: Engine, two: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [
        _line("file.create", "a", name="x"),
        _line("org.create", name="b"),
        _line("org.rename", "a", new="b"),
        _part("a", "x", 1, 7),
        _line("org.create", name="c"),
        _line("file.create", "c", name="x"),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(name_lookup, "find_organization", lambda conn, name: None)
        outcomes = _apply(two, documents)
    assert _errors(outcomes) == {2: AlreadyExists, 3: AlreadyExists}
    assert "another writer just now" in str(outcomes[2])
    assert assert_consistent(engine, _id(engine, "a")) == Usage(7, 1, 1)
    assert assert_consistent(engine, _id(engine, "c")) == Usage(0, 1, 0)
    _assert_all_consistent(engine)


# --- keys -----------------------------------------------------------------------------------------

_MOVING_NAMES = [
    _line("org.create", name="a"),
    _line("file.create", "a", name="x"),
    _line("file.delete", "a", file="x"),
    _line("org.delete", "a", confirm="a"),
    _line("org.create", name="a"),
    _line("file.create", "a", name="y"),
    _line("org.rename", "a", new="b"),
    _line("file.create", "b", name="z"),
    _line("org.create", name="a"),
    _line("user.add", "a", email="u@x.org"),
]


@pytest.mark.parametrize("batch", [3, 1_000])
@pytest.mark.parametrize("at_once", [False, True], ids=["batches", "atomic"])
def test_keyed_lines_are_done_once_also_where_names_mean_others_by_now(
    engine: Engine, batch: int, at_once: bool
) -> None:
    intent = Intent("tester", idempotency_key="import")
    runs = _apply_at_once if at_once else _apply
    first = runs(Handler(engine), _MOVING_NAMES, intent, batch=batch)
    assert not _errors(first)
    assert _replayed(first) == []
    before = _contents(engine)
    again = runs(Handler(engine), _MOVING_NAMES, intent, batch=batch)
    assert _replayed(again) == list(range(1, 11))
    assert _results(again) == _results(first)
    assert _contents(engine) == before
    _assert_all_consistent(engine)


def test_a_run_that_broke_off_goes_on_where_its_last_commit_was(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = Intent("tester", idempotency_key="import")
    do = batches._Doing.do

    def breaks(self: Any, line: Line) -> Outcome:
        if line.number == 6:
            raise KeyboardInterrupt
        return do(self, line)

    handler = Handler(engine)
    monkeypatch.setattr(batches._Doing, "do", breaks)
    with pytest.raises(KeyboardInterrupt):
        _apply(handler, _MOVING_NAMES, intent, batch=4)
    monkeypatch.undo()
    _assert_all_consistent(engine)
    again = _apply(handler, _MOVING_NAMES, intent, batch=3)
    assert not _errors(again)
    assert _replayed(again) == [1, 2, 3, 4]
    _assert_all_consistent(engine)


def test_an_unkeyed_line_is_not_led_by_anothers_key(engine: Engine, handler: Handler) -> None:
    documents = [
        _line("org.create", name="a", key="1"),
        _line("org.rename", "a", new="b", key="2"),
        _line("file.create", "a", name="x"),
        _line("file.create", "a", name="x", key="3"),
    ]
    for _ in range(2):
        assert _errors(_apply(handler, documents)) == {3: NotFound, 4: NotFound}
    assert assert_consistent(engine, _id(engine, "b")) == Usage(0, 0, 0)


def test_a_key_stands_for_one_request_also_within_a_batch(engine: Engine, two: Handler) -> None:
    documents = [
        _line("file.create", "a", name="x", key="k"),
        _line("file.create", "a", name="x", key="k"),
        _line("file.create", "a", name="y", key="k"),
        _line("file.create", "b", name="y", key="k"),
        _line("org.create", name="c", key="o"),
        _line("org.create", name="d", key="o"),
        _line("file.create", "a", name="x", key="failed"),
    ]
    outcomes = _apply(two, documents)
    assert _errors(outcomes) == {3: IdempotencyConflict, 6: IdempotencyConflict, 7: AlreadyExists}
    assert _replayed(outcomes) == [2]
    # What failed has done nothing, so its key is free.
    _apply(two, [_line("file.delete", "a", file="x")])
    assert not _errors(_apply(two, documents[-1:]))
    _assert_all_consistent(engine)


# --- all or nothing -------------------------------------------------------------------------------


def test_the_first_failure_undoes_all_of_an_atomic_run(engine: Engine, two: Handler) -> None:
    before = _contents(engine)
    documents = [
        _line("file.create", "a", name="x", key="1"),
        _line("org.create", name="c"),
        _line("user.add", "b", email="u@x.org"),
        _part("a", "x", 1, 7),
        _line("org.rename", "b", new="d"),
        _line("file.create", "c", name="x"),
        _line("file.create", "a", name="x"),
        _line("file.create", "nobody", name="x"),
    ]
    for batch in (2, 1_000):
        with pytest.raises(StoppedAt) as stopped:
            _apply_at_once(two, documents, batch=batch)
        assert stopped.value.failed.number == 7
        assert isinstance(stopped.value.failed.error, AlreadyExists)
        assert _contents(engine) == before
    # No state that was never committed is remembered.
    assert not _errors(_apply(two, documents[:6]))
    assert assert_consistent(engine, _id(engine, "a")) == Usage(7, 1, 1)
    _assert_all_consistent(engine)


def test_an_atomic_run_writes_in_steps_and_comes_to_the_same(engine: Engine, two: Handler) -> None:
    def documents(org: str) -> list[_Document]:
        return [
            _line("file.create", org, name="x"),
            *(_part(org, "x", number, number * 10) for number in (1, 2, 3)),
            _line("file.delete", org, file="x"),
            _line("file.create", org, name="x"),
            _part(org, "x", 1, 5),
            _line("file.delete", org, file="x"),
            _line("file.restore", org, file="x"),
            _part(org, "x", 2, 6),
        ]

    stepwise = _apply_at_once(two, documents("a"), batch=2)
    at_once = _apply_at_once(two, documents("b"))
    assert not _errors([*stepwise, *at_once])
    a, b = _id(engine, "a"), _id(engine, "b")
    assert assert_consistent(engine, a) == assert_consistent(engine, b) == Usage(11, 1, 2)
    types = [[each.type for each in read_log(engine, org_id)] for org_id in (a, b)]
    assert types[0] == types[1]


def test_a_dry_run_goes_on_after_failures_and_writes_nothing(engine: Engine, two: Handler) -> None:
    before = _contents(engine)
    documents = [
        _line("org.create", name="c", key="1"),
        _line("file.create", "c", name="x", key="2"),
        _line("file.create", "c", name="x"),
        _part("c", "x", 1, 5),
        _line("file.create", "a", name="x"),
        _line("user.add", "a", email="u@x.org"),
        _line("org.delete", "b"),
    ]
    intent = Intent("tester", dry_run=True)
    for batch in (2, 1_000):
        outcomes = _apply_at_once(two, documents, intent, batch=batch)
        assert _errors(outcomes) == {3: AlreadyExists}
        assert all(result["dry_run"] for result in _results(outcomes))
        assert _contents(engine) == before
    assert not _errors(_apply(two, [_line("file.create", "a", name="x")]))
    _assert_all_consistent(engine)


# --- at the same time -----------------------------------------------------------------------------


def test_a_lock_that_another_holds_leaves_the_whole_batch_undone(
    database_url: URL, engine: Engine, two: Handler
) -> None:
    documents = [
        _line("file.create", "a", name="x"),
        _line("file.create", "b", name="x"),
        _line("org.create", name="c"),
    ]
    before = _contents(engine)
    with opened(database_url, lock_timeout_seconds=0) as hurried, writing(engine) as conn:
        event_log.lock(conn, _id_in(conn, "b"))
        for runs in (_apply, _apply_at_once):
            with pytest.raises(Busy):
                runs(Handler(hurried), documents)
    assert _contents(engine) == before


def _id_in(conn: Any, name: str) -> UUID:
    found = name_lookup.find_organization(conn, name)
    assert found is not None
    return found


def test_two_that_apply_at_once_in_opposite_orders_never_wait_for_each_other(
    database_url: URL, engine: Engine, two: Handler
) -> None:
    """The same keyed organizations are created by both, by one of them."""
    failures: list[object] = []

    def work(number: int) -> None:
        step = 1 if number else -1
        documents = [
            _line("org.create", name="c", key="c"),
            *(_line("file.create", org, name=f"{number}") for org in "abc"[::step]),
            *(
                _part(org, str(number), turn, 10)
                for turn in range(1, 21)
                for org in ("abc" if (turn + number) % 2 else "cba")
            ),
        ]
        try:
            with opened(database_url) as own:
                failures.extend(_errors(_apply(Handler(own), documents, batch=4)).items())
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for name in "abc":
        assert assert_consistent(engine, _id(engine, name)) == Usage(400, 2, 40)


# --- one by one -----------------------------------------------------------------------------------

_numbers = count()
_ORGS = st.sampled_from("ab")
_FILES = st.sampled_from("xy")
_JOBS = st.sampled_from("jk")
_INPUTS = st.lists(_FILES, max_size=2)


def _lines_of(command: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[_Document]:
    return st.builds(_line, st.just(command), _ORGS, **arguments)


_LINES: st.SearchStrategy[_Document] = st.one_of(
    _lines_of("file.create", name=_FILES),
    st.builds(_part, _ORGS, _FILES, st.integers(1, 2), st.sampled_from([0, 5, 60])),
    st.builds(_part, _ORGS, _FILES, st.integers(1, 2), st.sampled_from([0, 5, 60])),
    _lines_of("file.delete", file=_FILES),
    _lines_of("file.restore", file=_FILES),
    _lines_of("file.complete", file=_FILES),
    _lines_of("job.create", name=_JOBS, image=st.just("i"), inputs=_INPUTS),
    _lines_of("job.update", job=_JOBS, inputs=_INPUTS, name=_JOBS),
    _lines_of("job.delete", job=_JOBS),
    _lines_of("quota.set", size_bytes=st.sampled_from([0, 65, 1_000])),
    _lines_of("user.add", email=st.just("u@x.org"), if_not_exists=st.booleans()),
    _lines_of("user.remove", user=st.just("u@x.org")),
    _lines_of("org.rename", new=_ORGS),
    st.builds(_line, st.just("org.create"), name=_ORGS),
)


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(documents=st.lists(_LINES, min_size=6, max_size=14), batch=st.sampled_from([3, 100]))
def test_a_batch_comes_to_the_same_as_its_lines_one_by_one(
    engine: Engine, handler: Handler, documents: list[_Document], batch: int
) -> None:
    ways: tuple[Callable[[list[_Document]], list[Outcome]], ...] = (
        lambda own: [outcome for each in own for outcome in _apply(handler, [each])],
        lambda own: _apply(handler, own, batch=batch),
    )
    came_to = []
    for runs in ways:
        prefix = f"{next(_numbers)}-"
        beginning = [_line("org.create", name=prefix + name) for name in "ab"]
        _apply(handler, beginning)
        outcomes = runs([_in(prefix, each) for each in documents])
        failed = [type(each.error) if isinstance(each, Failed) else None for each in outcomes]
        came_to.append((failed, _resources(engine, prefix)))
    assert came_to[0] == came_to[1]


def _in(prefix: str, document: _Document) -> _Document:
    """The same line in organizations of other names."""
    fields = ("org", "new", *(("name",) if document["command"] == "org.create" else ()))
    return document | {field: prefix + document[field] for field in fields if field in document}


def _resources(engine: Engine, prefix: str) -> list[Any]:
    """Everything in organizations whose names begin so, without ids and times; it is proved."""
    with reading(engine) as conn:
        named = organizations.c.name.startswith(prefix)
        rows = conn.execute(select(organizations).where(named)).all()
        found = []
        for row in rows:
            listed = [
                sorted(
                    map(tuple, conn.execute(query.where(table.c.org_id == row.org_id))), key=repr
                )
                for table, query in (
                    (files, select(files.c.name, files.c.deleted, files.c.size_bytes)),
                    (file_parts, select(file_parts.c.number, file_parts.c.size_bytes)),
                    (
                        job_configurations,
                        select(job_configurations.c.name, job_configurations.c.deleted),
                    ),
                    (users, select(users.c.email)),
                )
            ]
            types = [each.type for each in event_log.read_after(conn, row.org_id)]
            own = (row.name.removeprefix(prefix), row.status, row.used_bytes, row.version)
            found.append((own, listed, types))
    for row in rows:
        assert_consistent(engine, row.org_id)
    return sorted(found, key=repr)
