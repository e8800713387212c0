"""Where an organization's figure comes from: each usage event, and what caused it.

The sum is proved on the way: the figure before and an event's delta must make the figure it says,
and the delta must be the one with which the saga answers the event's cause. Cause and answer are
paired by causation id. One command writes both, and a command's events lie together, so memory
stays flat over a log of any length.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.domain.decider import EventEnvelope
from catactl.domain.file import PartUploaded
from catactl.domain.organization import ChangeStorageUsage
from catactl.projections.projection import DecodedEvent
from catactl.queries.usage import get_usage
from catactl.results.usage import ExplanationRow
from catactl.sagas import storage_usage
from catactl.store import log_queries
from catactl.store.canonical_json import format_instant
from catactl.store.event_log import END, StoredEvent
from catactl.store.log_queries import CORRECTED, USAGE_EVENTS, Figures
from catactl.store.sql.bulk import batched
from catactl.store.tables import organizations
from catactl.usage.change import CAUSES, Change, change_of


class Kind(StrEnum):
    OPENING = "opening"
    EVENT = "event"
    MISSING = "missing"
    CLOSING = "closing"


class Entry(NamedTuple):
    """The figures at a position of the log, and how they came about.

    OPENING and CLOSING stand for the two ends, and MISSING for a file event that no usage event
    answers: all three without a delta. `problem` says what does not hold here; `settled_by` is then
    the position of a later correction, from which on the figure stands on first principles again.
    """

    kind: Kind
    position: int
    figures: Figures
    delta: Figures | None = None
    recorded_at: datetime | None = None
    actor: str | None = None
    reason: str | None = None
    event_id: UUID | None = None
    cause: str | None = None
    cause_position: int | None = None
    file_id: UUID | None = None
    file_name: str | None = None
    part_number: int | None = None
    problem: str | None = None
    settled_by: int | None = None

    def as_row(self) -> ExplanationRow:
        problem = self.problem
        if problem is not None and self.settled_by is not None:
            problem += f" (settled by the correction at position {self.settled_by})"
        return {
            "kind": self.kind.value,
            "position": self.position,
            "recorded_at": format_instant(self.recorded_at) if self.recorded_at else None,
            "delta_bytes": self.delta.used_bytes if self.delta is not None else None,
            "used_bytes": self.figures.used_bytes,
            "cause": self.cause,
            "cause_position": self.cause_position,
            "file_id": str(self.file_id) if self.file_id is not None else None,
            "file_name": self.file_name,
            "part_number": self.part_number,
            "actor": self.actor,
            "reason": self.reason,
            "event_id": str(self.event_id) if self.event_id is not None else None,
            "problem": problem,
            "settled_by": self.settled_by,
        }


def explain(
    conn: Connection, org_id: UUID, after: int = 0, until: int | None = None
) -> Iterator[Entry]:
    """Yield how usage came about between two positions of the log, the first excluded: in its
    order, from an opening to a closing entry.

    Without an end it is up to now, and the closing figure is the one that is stored. An end must
    not part a command's events; no moment does. An event that cannot be read is `CorruptLog`.
    """
    settled_by = log_queries.last_correction(conn, org_id)
    entries = _entries(conn, org_id, after, until)
    for entry in _named(conn, org_id, entries):
        if entry.problem is not None and entry.position < settled_by:
            entry = entry._replace(settled_by=settled_by)
        yield entry


def _entries(conn: Connection, org_id: UUID, after: int, until: int | None) -> Iterator[Entry]:
    figures = log_queries.usage_at(conn, org_id, after)
    yield Entry(Kind.OPENING, after, figures)
    begin = log_queries.before_command(conn, org_id, after + 1)
    end = END if until is None else until
    command: UUID | None = None
    unanswered: dict[UUID, DecodedEvent] = {}
    for recorded in log_queries.events_of(conn, org_id, begin, end, (*CAUSES, *USAGE_EVENTS)):
        if recorded.correlation_id != command:
            yield from _missing(unanswered, after, figures)
            command, unanswered = recorded.correlation_id, {}
        if recorded.type in CAUSES:
            unanswered[recorded.event_id] = DecodedEvent(recorded, recorded.event)
            continue
        cause = unanswered.pop(recorded.causation_id, None) if recorded.causation_id else None
        if recorded.position > after:
            entry = _event(recorded, cause, figures)
            figures = entry.figures
            yield entry
    yield from _missing(unanswered, after, figures)
    if until is None:
        yield _closing_now(conn, org_id, figures)
    else:
        yield Entry(Kind.CLOSING, until, figures)


def _event(recorded: StoredEvent, cause: DecodedEvent | None, before: Figures) -> Entry:
    change = change_of(recorded)
    entry = _told(Kind.EVENT, recorded, cause, change.after)._replace(
        delta=change.delta, event_id=recorded.event_id
    )
    problems = list(_problems(recorded, cause, before, change))
    return entry._replace(problem="; ".join(problems) or None)


def _problems(
    recorded: StoredEvent, cause: DecodedEvent | None, before: Figures, change: Change
) -> Iterator[str]:
    made = _plus(before, change.delta)
    if made != change.after:
        said, due = _differing(change.after, made)
        yield f"it says {said}, but what was before and its delta make {due}"
    if recorded.type == CORRECTED:
        return
    if cause is None:
        yield "no file event caused it, or another usage event answers that one"
    elif (answer := _answer_to(cause)) != change.delta:
        said, due = _differing(change.delta, answer)
        yield f"its delta is {said}, but that of its cause {due}"


def _answer_to(cause: DecodedEvent) -> Figures:
    """The deltas with which the saga answers a file event."""
    recorded, event = cause
    (addressed,) = storage_usage.react(EventEnvelope(recorded.org_id, recorded.stream_id, event))
    command = addressed.command
    assert isinstance(command, ChangeStorageUsage)
    return Figures(command.delta_bytes, command.delta_files, command.delta_parts)


def _missing(unanswered: dict[UUID, DecodedEvent], after: int, figures: Figures) -> Iterator[Entry]:
    for cause in unanswered.values():
        if cause.stored.position > after:
            entry = _told(Kind.MISSING, cause.stored, cause, figures)
            yield entry._replace(problem="no usage event answers it")


def _told(kind: Kind, recorded: StoredEvent, cause: DecodedEvent | None, figures: Figures) -> Entry:
    entry = Entry(
        kind,
        recorded.position,
        figures,
        recorded_at=recorded.recorded_at,
        actor=recorded.actor,
        reason=recorded.reason,
        cause="correction" if recorded.type == CORRECTED else None,
    )
    if cause is None:
        return entry
    happened, event = cause
    return entry._replace(
        cause=happened.type.removeprefix("file."),
        cause_position=happened.position,
        file_id=happened.stream_id,
        part_number=event.number if isinstance(event, PartUploaded) else None,
    )


def _closing_now(conn: Connection, org_id: UUID, made: Figures) -> Entry:
    shown = get_usage(conn, org_id)
    stored = Figures(shown["used_bytes"], shown["file_count"], shown["part_count"])
    columns = (organizations.c[name] for name in Figures._fields)
    row = conn.execute(select(*columns).where(organizations.c.org_id == org_id)).one()
    problems = [
        "{} says {}, but the events make {}".format(command, *_differing(figures, made))
        for command, figures in (("usage show", stored), ("org show", Figures(*row)))
        if figures != made
    ]
    return Entry(Kind.CLOSING, shown["position"], stored, problem="; ".join(problems) or None)


def _named(conn: Connection, org_id: UUID, entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield the entries with the names of their files, which are asked for by many at once."""
    for page in batched(entries):
        file_ids = {entry.file_id for entry in page if entry.file_id is not None}
        names = log_queries.file_names(conn, org_id, file_ids) if file_ids else {}
        for entry in page:
            yield entry._replace(file_name=names.get(entry.file_id)) if entry.file_id else entry


def _plus(figures: Figures, delta: Figures) -> Figures:
    return Figures(*(one + other for one, other in zip(figures, delta, strict=True)))


def _differing(one: Figures, other: Figures) -> tuple[str, str]:
    """Both in words, as far as they differ: `2 files, 3 parts` and `1 file, 1 part`."""
    differ = [
        (left, right, what)
        for left, right, what in zip(one, other, ("byte", "file", "part"), strict=True)
        if left != right
    ]
    return (
        ", ".join(_counted(left, what) for left, _, what in differ),
        ", ".join(_counted(right, what) for _, right, what in differ),
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
