"""Run commands in one line each, and check that a whole log and its tables are consistent."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from alembic import command as alembic
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, delete, func, select

from catactl.domain.decider import Command, CommandEnvelope, fold
from catactl.domain.file import (
    CompleteFile,
    CreateFile,
    DeleteFile,
    RestoreFile,
    UploadPart,
)
from catactl.domain.job_configuration import CreateJobConfiguration, JobSpec
from catactl.domain.organization import CreateOrganization
from catactl.handling import row_check
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import Outcome, UnitOfWork
from catactl.projections.projection import DecodedEvent
from catactl.store import event_log, hash_chain, name_lookup
from catactl.store.event_log import StoredEvent
from catactl.store.sql.engine import open_engine, reading
from catactl.store.tables import (
    events,
    file_parts,
    files,
    job_configurations,
    logs,
    metadata,
    organization_names,
    organizations,
    storage_usage,
)
from catactl.usage.day_check import broken_days
from catactl.values.ids import new_id
from catactl.wiring.flow import FILE, ORGANIZATION, PROJECTIONS, Aggregate, aggregate_of_event

ROOT = Path(__file__).parents[1]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INTENT = Intent("tester")
BYTES_1 = hashlib.sha256(b"1").hexdigest()
BYTES_2 = hashlib.sha256(b"2").hexdigest()


# --- databases ------------------------------------------------------------------------------------


def url_text(url: URL) -> str:
    """Return a URL as text, with its password."""
    return url.render_as_string(hide_password=False)


def libpq_url(url: URL) -> str:
    """Return a URL as text that libpq accepts."""
    return url_text(url.set(drivername="postgresql"))


def server_address(url: URL) -> tuple[str, int]:
    """Return the host, or the folder of the socket, and the port of the server that a URL names."""
    port = url.query.get("port") or url.port or 5432
    return str(url.query.get("host") or url.host), int(str(port))


def alembic_config(conn: Connection | None = None) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "alembic"))
    config.attributes["connection"] = conn
    return config


def migrate(url: URL) -> None:
    """Bring a database to Alembic's head, as `catactl db upgrade` does."""
    with opened(url) as engine, engine.connect() as conn:
        alembic.upgrade(alembic_config(conn), "head")
        conn.commit()


@contextmanager
def opened(url: URL, lock_timeout_seconds: float = 30.0) -> Iterator[Engine]:
    """Open another engine, as another process does. It has no states in memory."""
    engine = open_engine(url, lock_timeout_seconds=lock_timeout_seconds)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def tampering(url: URL) -> Iterator[Connection]:
    """Open a connection without any check of catactl, and commit at the end."""
    engine = create_engine(url)
    try:
        with engine.begin() as conn:
            yield conn
    finally:
        engine.dispose()


# --- commands -------------------------------------------------------------------------------------


@dataclass
class Clock:
    """A clock that stands still until `advance` is called."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


def handle(
    handler: Handler,
    org_id: UUID,
    command: Command | CommandEnvelope | Callable[[Connection], CommandEnvelope],
    intent: Intent,
    present: Callable[[Outcome], dict[str, Any]],
) -> dict[str, Any]:
    """Run one command in a transaction. A command without an envelope goes to the organization.

    A function is called under the lock, and returns the command.
    """

    def work(conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        if isinstance(command, CommandEnvelope):
            target = command
        elif isinstance(command, Command):
            target = CommandEnvelope(org_id, command)
        else:
            target = command(conn)
        return present(unit.run(target))

    return handler.transact(org_id, intent, work)


def run(
    handler: Handler,
    org_id: UUID,
    stream_id: UUID,
    command: Command,
    intent: Intent = INTENT,
) -> Outcome:
    """Handle one command, and return its outcome."""
    outcomes: list[Outcome] = []

    def present(outcome: Outcome) -> dict[str, Any]:
        outcomes.append(outcome)
        return summary(outcome)

    handle(handler, org_id, CommandEnvelope(stream_id, command), intent, present)
    return outcomes[-1]


def perform(
    handler: Handler,
    org_id: UUID,
    stream_id: UUID,
    command: Command,
    intent: Intent = INTENT,
) -> dict[str, Any]:
    """Handle one command, and return the caller's result or the stored result of its key."""
    return handle(handler, org_id, CommandEnvelope(stream_id, command), intent, summary)


def summary(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": str(outcome.stream_id),
        "version": outcome.version,
        "position": outcome.position,
        "events": [recorded.type for recorded in outcome.events],
    }


def event_types(outcome: Outcome) -> list[str]:
    return [recorded.type for recorded in outcome.events]


def create_organization(
    handler: Handler, name: str = "acme", quota_bytes: int | None = None
) -> UUID:
    org_id = new_id(NOON)
    run(handler, org_id, org_id, CreateOrganization(name, NOON, quota_bytes))
    return org_id


def be_ahead(engine: Engine, name: str = "acme", **span: float) -> UUID:
    """Write to an organization's log like a machine whose clock is ahead, by 1,000 days or by
    `span`; return the organization.
    """
    with reading(engine) as conn:
        org_id = name_lookup.resolve_organization(conn, name)
    moment = datetime.now(UTC) + timedelta(**span or {"days": 1_000})
    create_file(Handler(engine, clock=Clock(moment)), org_id, f"from {moment.isoformat()}")
    return org_id


def create_file(
    handler: Handler, org_id: UUID, name: str = "data.bin", intent: Intent = INTENT
) -> UUID:
    file_id = new_id(NOON)
    run(handler, org_id, file_id, CreateFile(name, NOON), intent)
    return file_id


def upload(
    handler: Handler,
    org_id: UUID,
    file_id: UUID,
    number: int,
    size_bytes: int,
    sha256: str = BYTES_1,
) -> Outcome:
    return run(handler, org_id, file_id, UploadPart(number, size_bytes, sha256))


def complete(handler: Handler, org_id: UUID, file_id: UUID) -> Outcome:
    return run(handler, org_id, file_id, CompleteFile())


def delete_file(handler: Handler, org_id: UUID, file_id: UUID) -> Outcome:
    return run(handler, org_id, file_id, DeleteFile())


def restore_file(handler: Handler, org_id: UUID, file_id: UUID) -> Outcome:
    return run(handler, org_id, file_id, RestoreFile())


def create_job(
    handler: Handler, org_id: UUID, name: str = "nightly", inputs: tuple[UUID, ...] = ()
) -> UUID:
    job_id = new_id(NOON)
    spec = JobSpec(name=name, image="registry/job:1", inputs=inputs)
    run(handler, org_id, job_id, CreateJobConfiguration(spec, NOON))
    return job_id


# --- checks ---------------------------------------------------------------------------------------


class Usage(NamedTuple):
    used_bytes: int
    file_count: int
    part_count: int


def usage(engine: Engine, org_id: UUID) -> Usage:
    """Return the usage in the row of the organization, which decides on commands."""
    row = organizations.c
    with reading(engine) as conn:
        figures = conn.execute(
            select(row.used_bytes, row.file_count, row.part_count).where(row.org_id == org_id)
        ).one()
    return Usage(*figures)


def read_log(engine: Engine, org_id: UUID) -> list[StoredEvent]:
    with reading(engine) as conn:
        return list(event_log.read_after(conn, org_id))


@dataclass
class _ReplayedFile:
    parts: dict[int, int] = field(default_factory=dict)
    lives: bool = True


class FileReplay:
    """Adds up file events in plain Python, without code of catactl."""

    def __init__(self) -> None:
        self._files: dict[UUID, _ReplayedFile] = {}

    def apply(self, stream_id: UUID, type_: str, payload: str) -> None:
        content = json.loads(payload)
        match type_:
            case "file.created":
                self._files[stream_id] = _ReplayedFile()
            case "file.part_uploaded":
                self._files[stream_id].parts[content["number"]] = content["size_bytes"]
            case "file.deleted":
                self._files[stream_id].lives = False
            case "file.restored":
                self._files[stream_id].lives = True

    def usage(self) -> Usage:
        live = [file for file in self._files.values() if file.lives]
        return Usage(
            sum(sum(file.parts.values()) for file in live),
            len(live),
            sum(len(file.parts) for file in live),
        )


def recompute(conn: Connection, org_id: UUID) -> Usage:
    """Return the usage of an organization, from its file events in the database."""
    replay = FileReplay()
    for row in conn.execute(
        select(events.c.stream_id, events.c.type, events.c.payload)
        .where(events.c.org_id == org_id)
        .order_by(events.c.position)
    ):
        replay.apply(*row)
    return replay.usage()


def assert_consistent(engine: Engine, org_id: UUID) -> Usage:
    """Assert that an organization's chain, positions, states, projections and usage agree with its
    events.
    """
    with reading(engine) as conn:
        held, broken = hash_chain.verify(conn, org_id)
        assert broken is None, broken
        history = list(event_log.read_after(conn, org_id))
        assert len(history) == held
        head = conn.execute(select(logs).where(logs.c.org_id == org_id)).one_or_none()
        if head is None:
            assert not history
        else:
            last = history[-1]
            assert (head.position, head.head_hash) == (last.position, last.hash)
            assert head.recorded_at == last.recorded_at
        _assert_numbered(history)
        _assert_states_are_folds(conn, org_id, history)
        _assert_projections_are_replays(conn, org_id, history)
        assert row_check.compare(conn, org_id).first == []
        assert broken_days(conn, [org_id]) == {}
        return _assert_usage(conn, org_id, history)


def _assert_numbered(history: list[StoredEvent]) -> None:
    """Positions and each stream's versions run 1, 2, 3 …, and time never runs backwards."""
    assert [each.position for each in history] == list(range(1, len(history) + 1))
    versions: dict[UUID, int] = {}
    for each in history:
        assert each.version == versions.get(each.stream_id, 0) + 1
        versions[each.stream_id] = each.version
    for before, each in pairwise(history):
        is_later = each.recorded_at >= before.recorded_at
        assert is_later or each.type == "organization.clock_corrected"
    moments = [each.recorded_at for each in dated(history)]
    assert moments == sorted(moments)


def _assert_states_are_folds(conn: Connection, org_id: UUID, history: list[StoredEvent]) -> None:
    streams: dict[UUID, list[StoredEvent]] = {}
    for each in history:
        streams.setdefault(each.stream_id, []).append(each)
    counts = dict.fromkeys(("organization", "file", "job_configuration"), 0)
    parts = 0
    for stream_id, recorded in streams.items():
        aggregate: Aggregate = aggregate_of_event(recorded[0].event)
        counts[aggregate.name] += 1
        state = fold(aggregate.decider, None, [each.event for each in recorded])
        stored = aggregate.store.get_by_id(conn, org_id, stream_id)
        assert stored is not None
        assert stored.state == state
        assert stored.version == recorded[-1].version
        if aggregate is FILE:
            assert stored.state is not None
            assert stored.state.deleted or not stored.state.swept
            parts += stored.state.parts.count
            row = conn.execute(select(files).where(files.c.file_id == stream_id)).one()
            assert (row.size_bytes, row.part_count) == (
                sum(part.size_bytes for part in stored.state.parts),
                sum(1 for _ in stored.state.parts),
            )
        if aggregate is ORGANIZATION:
            assert state is not None
            names = list(
                conn.execute(
                    select(organization_names.c.name).where(organization_names.c.org_id == org_id)
                ).scalars()
            )
            assert names == ([state.live_name] if state.live_name is not None else [])
    for table, expected in (
        (organizations, counts["organization"]),
        (files, counts["file"]),
        (job_configurations, counts["job_configuration"]),
        (file_parts, parts),
    ):
        count = conn.execute(
            select(func.count()).select_from(table).where(table.c.org_id == org_id)
        ).scalar()
        assert count == expected, f"{table.name} has {count} rows, not {expected}"


def contents(engine: Engine) -> dict[str, list[Any]]:
    """Return every row of every table. A failure must leave them as they were."""
    with reading(engine) as conn:
        return {
            table.name: sorted(map(repr, conn.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }


def projection_rows(conn: Connection, org_id: UUID) -> dict[str, list[tuple[Any, ...]]]:
    """Return an organization's stored rows of each projection."""
    return {
        projection.NAME: [
            tuple(row)
            for row in conn.execute(
                select(projection.TABLE)
                .where(projection.TABLE.c.org_id == org_id)
                .order_by(*projection.TABLE.primary_key)
            )
        ]
        for projection in PROJECTIONS
    }


def replay_projections(
    conn: Connection, org_id: UUID, history: list[StoredEvent], *, keep: bool = False
) -> None:
    """Delete an organization's projections, unless `keep` is set, and apply the whole history."""
    decoded = [DecodedEvent(recorded, recorded.event) for recorded in dated(history)]
    for projection in PROJECTIONS:
        if not keep:
            conn.execute(delete(projection.TABLE).where(projection.TABLE.c.org_id == org_id))
        relevant = [each for each in decoded if isinstance(each.event, projection.LISTENS)]
        if relevant:
            projection.apply(conn, org_id, relevant)


def dated(history: list[StoredEvent]) -> list[StoredEvent]:
    """Return the whole history, each event dated by the time from which it counts."""
    dated: list[StoredEvent] = []
    limit = datetime.max.replace(tzinfo=UTC)
    for recorded in reversed(history):
        dated.append(recorded._replace(recorded_at=min(recorded.recorded_at, limit)))
        if recorded.type == "organization.clock_corrected":
            limit = dated[-1].recorded_at
    return dated[::-1]


def _assert_projections_are_replays(
    conn: Connection, org_id: UUID, history: list[StoredEvent]
) -> None:
    before = projection_rows(conn, org_id)
    engine = conn.engine
    writer = open_engine(engine.url)
    try:
        with writer.connect() as scratch:  # rolled back
            replay_projections(scratch, org_id, history)
            assert projection_rows(scratch, org_id) == before
    finally:
        writer.dispose()


def _assert_usage(conn: Connection, org_id: UUID, history: list[StoredEvent]) -> Usage:
    recomputed = recompute(conn, org_id)
    row = organizations.c
    stored = conn.execute(
        select(row.used_bytes, row.file_count, row.part_count).where(row.org_id == org_id)
    ).one_or_none()
    if stored is None:
        assert not history
        return recomputed
    assert Usage(*stored) == recomputed, "the organization's usage differs from its file events"
    projection = storage_usage.c
    projected = conn.execute(
        select(projection.used_bytes, projection.file_count, projection.part_count).where(
            projection.org_id == org_id
        )
    ).one_or_none()
    assert Usage(*(projected or (0, 0, 0))) == recomputed, (
        "the projection differs from the file events"
    )
    live = files.c
    total = conn.execute(
        select(func.coalesce(func.sum(live.size_bytes), 0), func.count()).where(
            live.org_id == org_id, ~live.deleted
        )
    ).one()
    assert tuple(total) == recomputed[:2], "the rows of files differ from the file events"
    charged = [each for each in history if each.type in _CHARGED]
    changes = [each for each in history if each.type == "organization.storage_usage_changed"]
    assert [each.event_id for each in charged] == [each.causation_id for each in changes]
    return recomputed


_CHARGED = {"file.created", "file.part_uploaded", "file.deleted", "file.restored"}
