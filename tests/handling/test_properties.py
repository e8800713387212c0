"""After any sequence of commands, states, replay, projections and recomputation agree."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from operator import add
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Engine

from catactl.domain.decider import Command
from catactl.domain.file import (
    CompleteFile,
    CreateFile,
    DeleteFile,
    RestoreFile,
    SweepFileContent,
    UploadPart,
)
from catactl.domain.job_configuration import (
    CreateJobConfiguration,
    DeleteJobConfiguration,
    DisableJobConfiguration,
    EnableJobConfiguration,
    JobSpec,
    UpdateJobConfiguration,
)
from catactl.domain.organization import (
    ClearQuota,
    CorrectClock,
    CorrectStorageUsage,
    CreateOrganization,
    DeleteOrganization,
    RenameOrganization,
    ResumeOrganization,
    SetQuota,
    SuspendOrganization,
    SweepOrganizationContent,
)
from catactl.errors import CatactlError, QuotaExceeded
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.store.sql.engine import writing
from catactl.values.ids import new_id
from catactl.wiring.flow import AGGREGATES, SAGAS
from tests.support import (
    BYTES_1,
    BYTES_2,
    INTENT,
    NOON,
    Clock,
    assert_consistent,
    dated,
    opened,
    projection_rows,
    read_log,
    replay_projections,
    run,
    usage,
)

_PLACES = st.integers(0, 3)  # the index of a file or job of the organization, modulo their number
_NAMES = st.sampled_from(["a", "b", "c"])
_INPUTS = st.lists(_PLACES, max_size=2)
_numbers = count()


@dataclass
class World:
    """One organization, two handlers on two connections, and a clock."""

    handlers: list[Handler]
    clock: Clock
    org_id: UUID = field(default_factory=lambda: new_id(NOON))
    files: list[UUID] = field(default_factory=list)
    jobs: list[UUID] = field(default_factory=list)
    quota_bytes: int | None = None

    def file(self, place: int) -> UUID:
        return self.files[place % len(self.files)] if self.files else UUID(int=7)

    def job(self, place: int) -> UUID:
        return self.jobs[place % len(self.jobs)] if self.jobs else UUID(int=8)

    def inputs(self, places: list[int]) -> tuple[UUID, ...]:
        return tuple(self.file(place) for place in places) if self.files else ()


Step = Callable[[World], tuple[UUID, Command]]


def _to_organization(command: Command) -> Step:
    return lambda world: (world.org_id, command)


def _correct_clock(world: World) -> tuple[UUID, Command]:
    return world.org_id, CorrectClock(datetime.max.replace(tzinfo=UTC), world.clock.now)


def _rename_organization(world: World) -> tuple[UUID, Command]:
    return world.org_id, RenameOrganization(f"org-{next(_numbers)}")


def _sweep_content(generation: int) -> Step:
    return _to_organization(SweepOrganizationContent({BYTES_1: generation}))


def _create_file(name: str) -> Step:
    def step(world: World) -> tuple[UUID, Command]:
        world.files.append(new_id(NOON))
        return world.files[-1], CreateFile(name, NOON)

    return step


def _to_file(place: int, command: Command) -> Step:
    return lambda world: (world.file(place), command)


def _create_job(name: str, inputs: list[int]) -> Step:
    def step(world: World) -> tuple[UUID, Command]:
        world.jobs.append(new_id(NOON))
        spec = JobSpec(name, "image", inputs=world.inputs(inputs))
        return world.jobs[-1], CreateJobConfiguration(spec, NOON)

    return step


def _to_job(place: int, command: Command) -> Step:
    return lambda world: (world.job(place), command)


def _update_job(place: int, inputs: list[int], name: str) -> Step:
    return lambda world: (
        world.job(place),
        UpdateJobConfiguration({"inputs": world.inputs(inputs), "name": name}),
    )


_UPLOADS = st.builds(
    UploadPart,
    st.sampled_from([1, 2, 3, 100, 101, 10_000]),
    st.sampled_from([0, 1, 10, 100, 2**50]),
    st.sampled_from([BYTES_1, BYTES_2]),
    st.booleans(),
)
_STEPS: dict[type[Command], st.SearchStrategy[Step]] = {
    CreateFile: st.builds(_create_file, _NAMES),
    UploadPart: st.builds(_to_file, _PLACES, _UPLOADS),
    DeleteFile: st.builds(_to_file, _PLACES, st.just(DeleteFile())),
    RestoreFile: st.builds(_to_file, _PLACES, st.just(RestoreFile())),
    CompleteFile: st.builds(_to_file, _PLACES, st.just(CompleteFile())),
    SweepFileContent: st.builds(_to_file, _PLACES, st.just(SweepFileContent())),
    CreateJobConfiguration: st.builds(_create_job, _NAMES, _INPUTS),
    UpdateJobConfiguration: st.builds(_update_job, _PLACES, _INPUTS, _NAMES),
    EnableJobConfiguration: st.builds(_to_job, _PLACES, st.just(EnableJobConfiguration())),
    DisableJobConfiguration: st.builds(_to_job, _PLACES, st.just(DisableJobConfiguration())),
    DeleteJobConfiguration: st.builds(_to_job, _PLACES, st.just(DeleteJobConfiguration())),
    RenameOrganization: st.just(_rename_organization),
    SetQuota: st.sampled_from([0, 105, 2**51]).map(SetQuota).map(_to_organization),
    ClearQuota: st.just(_to_organization(ClearQuota())),
    SuspendOrganization: st.just(_to_organization(SuspendOrganization())),
    ResumeOrganization: st.just(_to_organization(ResumeOrganization())),
    DeleteOrganization: st.just(_to_organization(DeleteOrganization())),
    SweepOrganizationContent: st.builds(_sweep_content, st.integers(1, 3)),
    CorrectClock: st.just(_correct_clock),
}
_OFTEN = [UploadPart, CreateFile, DeleteFile, RestoreFile, CompleteFile, SweepFileContent]
# `_play` creates the organization, and a correction would be wrong, because usage is exact.
_NOT_STEPS = {CreateOrganization, CorrectStorageUsage}


def test_the_steps_are_all_commands_that_sagas_do_not_send() -> None:
    commands = {command for aggregate in AGGREGATES for command in aggregate.commands}
    sent = {command for saga in SAGAS for command in saga.sends}
    assert set(_STEPS) == commands - sent - _NOT_STEPS


@dataclass(frozen=True)
class Move:
    """A step with its handler and time. `forgets` stands for a new process, `dry` for a dry run."""

    step: Step
    who: int
    seconds: int
    forgets: bool
    dry: bool


_MOVES = st.builds(
    Move,
    st.sampled_from([*_STEPS, *_OFTEN * 3, ResumeOrganization]).flatmap(_STEPS.__getitem__),
    who=st.integers(0, 1),
    seconds=st.sampled_from([0, 0, 1, 3_600, 50_000, 400_000, -100_000]),
    forgets=st.integers(0, 9).map(lambda n: n == 9),
    dry=st.integers(0, 9).map(lambda n: n == 9),
)


# A deleted file whose content we store, and a live one whose content is kept elsewhere.
_BEGINNING = [
    Move(step, who=0, seconds=0, forgets=False, dry=False)
    for step in (
        _create_file("a"),
        _to_file(0, UploadPart(1, 10, BYTES_1, stored=True)),
        _to_file(0, DeleteFile()),
        _create_file("b"),
        _to_file(1, UploadPart(1, 100, BYTES_2)),
    )
]


def _histories(max_size: int) -> st.SearchStrategy[list[Move]]:
    beginnings = st.sampled_from([[], _BEGINNING])
    return st.builds(add, beginnings, st.lists(_MOVES, min_size=5, max_size=max_size))


def _play(engines: tuple[Engine, Engine], moves: list[Move]) -> World:
    clock = Clock()
    world = World([Handler(engine, clock=clock) for engine in engines], clock)
    create = CreateOrganization(f"org-{next(_numbers)}", NOON)
    run(world.handlers[0], world.org_id, world.org_id, create)
    for move in moves:
        _make(world, engines, move)
    return world


def _make(world: World, engines: tuple[Engine, Engine], move: Move) -> None:
    world.clock.now += timedelta(seconds=move.seconds)
    if move.forgets:
        world.handlers[move.who] = Handler(engines[move.who], clock=world.clock)
    stream_id, command = move.step(world)
    before = usage(engines[0], world.org_id)
    intent = Intent(INTENT.actor, dry_run=move.dry)
    try:
        run(world.handlers[move.who], world.org_id, stream_id, command, intent)
    except CatactlError:
        assert usage(engines[0], world.org_id) == before
        return
    after = usage(engines[0], world.org_id)
    if move.dry:
        assert after == before
        return
    match command:
        case SetQuota():
            world.quota_bytes = command.quota_bytes
        case ClearQuota():
            world.quota_bytes = None
        case _ if world.quota_bytes is not None:
            assert after.used_bytes <= max(world.quota_bytes, before.used_bytes)


def _any_interleaving_keeps_everything_exact(
    engines: tuple[Engine, Engine], moves: list[Move]
) -> None:
    world = _play(engines, moves)
    assert assert_consistent(engines[0], world.org_id) == usage(engines[1], world.org_id)


_UNHURRIED: dict[str, Any] = {
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@settings(max_examples=60, **_UNHURRIED)
@given(moves=_histories(40))
def test_any_interleaving_of_commands_keeps_everything_exact_on_sqlite(
    sqlite_engine: Engine, second_sqlite_engine: Engine, moves: list[Move]
) -> None:
    _any_interleaving_keeps_everything_exact((sqlite_engine, second_sqlite_engine), moves)


@settings(max_examples=20, **_UNHURRIED)
@given(moves=_histories(40))
def test_any_interleaving_of_commands_keeps_everything_exact_on_postgresql(
    postgresql_engine: Engine, second_postgresql_engine: Engine, moves: list[Move]
) -> None:
    _any_interleaving_keeps_everything_exact((postgresql_engine, second_postgresql_engine), moves)


@pytest.fixture
def second_sqlite_engine(sqlite_url: URL) -> Any:
    with opened(sqlite_url) as engine:
        yield engine


@pytest.fixture
def second_postgresql_engine(postgresql_url: URL) -> Any:
    with opened(postgresql_url) as engine:
        yield engine


@settings(max_examples=25, **_UNHURRIED)
@given(moves=_histories(25), cuts=st.lists(st.integers(1, 60), max_size=4))
def test_projections_replayed_in_any_pieces_have_the_same_rows(
    engine: Engine, moves: list[Move], cuts: list[int]
) -> None:
    """`assert_consistent` replays the whole history. This test stops it at any position."""
    world = _play((engine, engine), moves)
    history = read_log(engine, world.org_id)
    bounds = sorted({0, *(cut for cut in cuts if cut < len(history)), len(history)})
    assume(len(bounds) > 1)
    with writing(engine) as conn:  # rolled back
        inline = projection_rows(conn, world.org_id)
        replay_projections(conn, world.org_id, [])
        for start, end in pairwise(bounds):
            replay_projections(conn, world.org_id, dated(history)[start:end], keep=True)
        assert projection_rows(conn, world.org_id) == inline


@settings(max_examples=20, **_UNHURRIED)
@given(
    quota_bytes=st.integers(0, 300),
    sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 120)), max_size=15),
)
def test_a_quota_refuses_exactly_the_commands_that_would_exceed_it(
    engine: Engine, quota_bytes: int, sizes: list[tuple[int, int]]
) -> None:
    handler = Handler(engine)
    org_id, file_id = new_id(NOON), new_id(NOON)
    name = f"quota-{next(_numbers)}"
    run(handler, org_id, org_id, CreateOrganization(name, NOON, quota_bytes))
    run(handler, org_id, file_id, CreateFile("a", NOON))
    run(handler, org_id, org_id, RenameOrganization(f"{name}-renamed"))
    parts: dict[int, int] = {}
    for turn, (number, size_bytes) in enumerate(sizes):
        grown = parts | {number: size_bytes}
        grows = size_bytes > parts.get(number, 0)
        digest = (BYTES_1, BYTES_2)[turn % 2]
        try:
            run(handler, org_id, file_id, UploadPart(number, size_bytes, digest))
        except QuotaExceeded:
            assert grows
            assert sum(grown.values()) > quota_bytes
        else:
            assert not grows or sum(grown.values()) <= quota_bytes
            parts = grown
    assert usage(engine, org_id).used_bytes == sum(parts.values())
