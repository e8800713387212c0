"""Each store returns the states that it stored, and refuses to overwrite a state that was not read.

The tests write both statement by statement, as a rebuild does, and pipelined, as a command does.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, Table, event, func, select

from catactl.domain.file import File
from catactl.domain.job_configuration import JobConfiguration, JobSpec
from catactl.domain.organization import Organization, OrganizationStatus
from catactl.domain.parts import Part, Parts
from catactl.errors import AlreadyExists, VersionConflict
from catactl.store.file_store import FileStore
from catactl.store.job_configuration_store import JobConfigurationStore
from catactl.store.organization_store import OrganizationStore
from catactl.store.sql import bulk, statements
from catactl.store.sql.engine import reading, writing
from catactl.store.sql.statements import pipelined
from catactl.store.state_store import StateStore, Stored
from catactl.store.tables import file_parts, files, organization_names
from tests.support import BYTES_1, BYTES_2, NOON

ORG, OTHER_ORG, ID, OTHER_ID, JOB = (UUID(int=number) for number in range(1, 6))


@dataclass(frozen=True)
class Case:
    """A store, the id of a stream, and consecutive states of that stream."""

    store: StateStore[Any]
    id: UUID
    life: tuple[Any, ...]


_ORGANIZATION = Organization("acme", NOON)
_FILE = File("a/b.bin", NOON)
_STORED_PARTS = Parts.of([Part(1, 6, BYTES_2, stored=True), Part(300, 7, BYTES_2)])
_SPEC = JobSpec(
    "nightly",
    "registry/job:1",
    command="run --all 'ü'",
    env={"B": "2", "A": ""},
    cpu_millis=500,
    memory_bytes=2**40,
    timeout_seconds=60,
    schedule="@daily",
    inputs=(OTHER_ID, JOB),
)
CASES = {
    "organization": Case(
        OrganizationStore(),
        ORG,
        (
            _ORGANIZATION,
            replace(_ORGANIZATION, quota_bytes=0),
            replace(_ORGANIZATION, used_bytes=2**63 - 1, file_count=2, part_count=3),
            replace(_ORGANIZATION, name="beta", status=OrganizationStatus.SUSPENDED),
            replace(_ORGANIZATION, status=OrganizationStatus.DELETED),
        ),
    ),
    "file": Case(
        FileStore(),
        ID,
        (
            _FILE,
            replace(_FILE, parts=Parts.of([Part(1, 5, BYTES_1), Part(300, 7, BYTES_2)])),
            replace(_FILE, parts=Parts.of([Part(1, 6, BYTES_2), Part(300, 7, BYTES_2)])),
            replace(_FILE, parts=Parts.of([Part(1, 6, BYTES_2), Part(300, 7, BYTES_2)])),
            replace(_FILE, parts=_STORED_PARTS),
            replace(
                _FILE, parts=_STORED_PARTS, completed=True, linked_by=frozenset({JOB, OTHER_ID})
            ),
            replace(_FILE, parts=_STORED_PARTS, completed=True, deleted=True),
            replace(_FILE, parts=_STORED_PARTS, completed=True, deleted=True, swept=True),
        ),
    ),
    "job_configuration": Case(
        JobConfigurationStore(),
        JOB,
        (
            JobConfiguration(JobSpec("nightly", "image"), NOON),
            JobConfiguration(_SPEC, NOON),
            JobConfiguration(replace(_SPEC, name="hourly"), NOON, enabled=False),
            JobConfiguration(_SPEC, NOON, deleted=True),
        ),
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(params=["one by one", "pipelined"])
def pipelines(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "pipelined")


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    with writing(engine) as conn:
        yield conn


def block(conn: Connection, pipelines: bool) -> AbstractContextManager[None]:
    return pipelined(conn, commits=False) if pipelines else nullcontext()


def test_a_state_that_was_never_stored_is_missing(conn: Connection, case: Case) -> None:
    assert case.store.get_by_id(conn, ORG, case.id) is None


def test_each_state_of_a_stream_is_read_as_it_was_persisted(
    conn: Connection, case: Case, pipelines: bool
) -> None:
    stored: Stored[Any] | None = None
    for version, state in enumerate(case.life, start=1):
        with block(conn, pipelines):
            case.store.persist(conn, ORG, case.id, state, version, stored)
        stored = case.store.get_by_id(conn, ORG, case.id)
        assert stored == Stored(state, version)


def test_persisting_over_another_version_is_refused(
    engine: Engine, case: Case, pipelines: bool
) -> None:
    first, second, *_ = case.life
    _persist_and_commit(engine, case, first, 1, None)
    stale = Stored(first, 7)
    with pytest.raises(VersionConflict), writing(engine) as conn, block(conn, pipelines):
        case.store.persist(conn, ORG, case.id, second, 8, stale)
    assert _get(engine, case) == Stored(first, 1)


def test_persisting_over_a_deleted_state_is_refused(
    engine: Engine, case: Case, pipelines: bool
) -> None:
    first, second, *_ = case.life
    with pytest.raises(VersionConflict), writing(engine) as conn, block(conn, pipelines):
        case.store.persist(conn, ORG, case.id, second, 2, Stored(first, 1))
    assert _get(engine, case) is None


def test_upserting_replaces_any_state(conn: Connection, case: Case, pipelines: bool) -> None:
    for version, state in ((9, case.life[-1]), (2, case.life[1]), (3, case.life[0])):
        with block(conn, pipelines):
            case.store.upsert(conn, ORG, case.id, state, version)
        assert case.store.get_by_id(conn, ORG, case.id) == Stored(state, version)


def test_a_deleted_state_can_be_stored_again(conn: Connection, case: Case, pipelines: bool) -> None:
    with block(conn, pipelines):
        case.store.upsert(conn, ORG, case.id, case.life[1], 2)
        case.store.delete(conn, ORG, case.id)
    assert case.store.get_by_id(conn, ORG, case.id) is None
    with block(conn, pipelines):
        case.store.persist(conn, ORG, case.id, case.life[0], 1, None)
    assert case.store.get_by_id(conn, ORG, case.id) == Stored(case.life[0], 1)


def test_deleting_a_missing_state_is_not_an_error(
    conn: Connection, case: Case, pipelines: bool
) -> None:
    with block(conn, pipelines):
        case.store.delete(conn, ORG, case.id)


def test_a_store_does_not_commit(engine: Engine, case: Case, pipelines: bool) -> None:
    with writing(engine) as conn, block(conn, pipelines):
        case.store.persist(conn, ORG, case.id, case.life[1], 1, None)
    assert _get(engine, case) is None


@pytest.mark.parametrize("name", ["file", "job_configuration"])
def test_organizations_keep_states_of_the_same_id_apart(
    conn: Connection, name: str, pipelines: bool
) -> None:
    case = CASES[name]
    first, second, *_ = case.life
    with block(conn, pipelines):
        case.store.persist(conn, ORG, case.id, first, 1, None)
        case.store.persist(conn, OTHER_ORG, case.id, second, 2, None)
        case.store.persist(conn, ORG, case.id, second, 3, Stored(first, 1))
        case.store.delete(conn, ORG, case.id)
    assert case.store.get_by_id(conn, ORG, case.id) is None
    assert case.store.get_by_id(conn, OTHER_ORG, case.id) == Stored(second, 2)


def _persist_and_commit(
    engine: Engine, case: Case, state: Any, version: int, before: Stored[Any] | None
) -> None:
    with writing(engine) as conn:
        with pipelined(conn, commits=False):
            case.store.persist(conn, ORG, case.id, state, version, before)
        conn.commit()


def _get(engine: Engine, case: Case) -> Stored[Any] | None:
    with reading(engine) as conn:
        return case.store.get_by_id(conn, ORG, case.id)


# --- names of organizations -----------------------------------------------------------------------


def _names(conn: Connection) -> list[tuple[str, UUID]]:
    rows = conn.execute(select(organization_names).order_by(organization_names.c.name))
    return [tuple(row) for row in rows]


def test_the_name_of_an_organization_is_stored_while_it_is_live(conn: Connection) -> None:
    store, state = OrganizationStore(), _ORGANIZATION
    store.persist(conn, ORG, ORG, state, 1, None)
    assert _names(conn) == [("acme", ORG)]
    renamed = replace(state, name="beta")
    store.persist(conn, ORG, ORG, renamed, 2, Stored(state, 1))
    assert _names(conn) == [("beta", ORG)]
    deleted = replace(renamed, status=OrganizationStatus.DELETED)
    store.persist(conn, ORG, ORG, deleted, 3, Stored(renamed, 2))
    assert _names(conn) == []
    store.upsert(conn, ORG, ORG, renamed, 2)
    assert _names(conn) == [("beta", ORG)]
    store.delete(conn, ORG, ORG)
    assert _names(conn) == []


def test_two_live_organizations_cannot_have_one_name(engine: Engine, pipelines: bool) -> None:
    store = OrganizationStore()
    _persist_and_commit(engine, CASES["organization"], _ORGANIZATION, 1, None)
    with pytest.raises(AlreadyExists), writing(engine) as conn, block(conn, pipelines):
        store.persist(conn, OTHER_ORG, OTHER_ORG, _ORGANIZATION, 1, None)


@pytest.mark.parametrize("name", ["file", "job_configuration"])
def test_two_live_files_or_jobs_have_two_names(engine: Engine, name: str, pipelines: bool) -> None:
    store, state = CASES[name].store, CASES[name].life[0]
    _persist_and_commit(engine, CASES[name], state, 1, None)
    with pytest.raises(AlreadyExists), writing(engine) as conn, block(conn, pipelines):
        store.persist(conn, ORG, OTHER_ID, state, 1, None)


@pytest.mark.parametrize("name", ["file", "job_configuration"])
def test_the_name_of_a_deleted_one_is_available(
    conn: Connection, name: str, pipelines: bool
) -> None:
    store, state = CASES[name].store, CASES[name].life[0]
    with block(conn, pipelines):
        for id_ in (ID, OTHER_ID):
            store.persist(conn, ORG, id_, replace(state, deleted=True), 1, None)
        store.persist(conn, ORG, JOB, state, 1, None)
        store.persist(conn, OTHER_ORG, JOB, state, 1, None)
    assert store.get_by_id(conn, ORG, JOB) == Stored(state, 1)


# --- the statements for a file --------------------------------------------------------------------


@pytest.fixture
def written(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the writing statements that are sent to either database."""
    sent: list[str] = []
    real = statements._execute_pipeline

    def recording(conn: Connection, queries: Any, **options: bool) -> Any:
        sent.extend(str(query.statement).split(" SET")[0].split(" (")[0] for query in queries)
        return real(conn, queries, **options)

    monkeypatch.setattr(statements, "_execute_pipeline", recording)
    for in_bulk in ("insert_into_sqlite", "copy_into_postgresql"):
        monkeypatch.setattr(bulk, in_bulk, _recording(sent, getattr(bulk, in_bulk)))

    @event.listens_for(engine, "before_cursor_execute")
    def executing(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            sent.append(statement.split(" SET")[0].split(" (")[0])

    return sent


def _recording(sent: list[str], insert: Callable[..., None]) -> Callable[..., None]:
    def recording(conn: Connection, table: Table, columns: Any, rows: Any) -> None:
        sent.extend(f"INSERT INTO {table.name}" for _ in rows)
        insert(conn, table, columns, rows)

    return recording


def test_persisting_writes_only_the_parts_that_changed(engine: Engine, written: list[str]) -> None:
    many = Parts.of(Part(number, 1, BYTES_1) for number in range(1, 251))
    before = replace(_FILE, parts=many)
    _persist_and_commit(engine, CASES["file"], before, 1, None)
    assert written.count("INSERT INTO file_parts") == 250
    stored = _get(engine, CASES["file"])
    for state in (
        replace(before, parts=many.with_part(Part(251, 9, BYTES_1))),
        replace(before, parts=stored.state.parts.with_part(Part(251, 9, BYTES_1)))
        if stored is not None
        else before,
    ):
        written.clear()
        with writing(engine) as conn, pipelined(conn, commits=False):
            FileStore().persist(conn, ORG, ID, state, 2, stored)
        assert written == ["UPDATE files", "INSERT INTO file_parts"]


def test_replacing_a_part_updates_only_its_row(engine: Engine, written: list[str]) -> None:
    before = replace(_FILE, parts=Parts.of(Part(number, 1, BYTES_1) for number in range(1, 251)))
    _persist_and_commit(engine, CASES["file"], before, 1, None)
    written.clear()
    after = replace(before, parts=before.parts.with_part(Part(17, 9, BYTES_2)))
    _persist_and_commit(engine, CASES["file"], after, 2, Stored(before, 1))
    assert written == ["UPDATE files", "UPDATE file_parts"]
    assert _get(engine, CASES["file"]) == Stored(after, 2)


def test_deleting_and_restoring_a_file_writes_no_part(engine: Engine, written: list[str]) -> None:
    before = replace(_FILE, parts=Parts.of(Part(number, 1, BYTES_1) for number in range(1, 251)))
    _persist_and_commit(engine, CASES["file"], before, 1, None)
    written.clear()
    _persist_and_commit(engine, CASES["file"], replace(before, deleted=True), 2, Stored(before, 1))
    assert written == ["UPDATE files"]


def test_replacing_a_part_whose_row_is_lost_is_a_version_conflict(
    engine: Engine, pipelines: bool
) -> None:
    before = replace(_FILE, parts=Parts.of([Part(1, 1, BYTES_1)]))
    with writing(engine) as conn:
        with pipelined(conn, commits=False):
            FileStore().persist(conn, ORG, ID, before, 1, None)
        conn.execute(file_parts.delete())
        conn.commit()
    after = replace(before, parts=before.parts.with_part(Part(1, 2, BYTES_2)))
    with pytest.raises(VersionConflict), writing(engine) as conn, block(conn, pipelines):
        FileStore().persist(conn, ORG, ID, after, 2, Stored(before, 1))


def test_deleting_a_file_state_leaves_no_parts(conn: Connection) -> None:
    with pipelined(conn, commits=False):
        FileStore().persist(conn, ORG, ID, CASES["file"].life[1], 1, None)
        FileStore().delete(conn, ORG, ID)
    for table in (files, file_parts):
        assert conn.execute(select(func.count()).select_from(table)).scalar() == 0
