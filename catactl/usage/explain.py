"""Explain an organization's usage: each usage event and its cause.

The explanation also checks the sum. The figures before an event plus its difference must equal the
figures after it, and the difference must equal the one that the saga computes from the cause. The
causation id links a usage event to its cause. One command writes both, and the events of a command
are adjacent, so memory is constant for a log of any length.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from operator import add
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
    """The figures at a position of the log, and their cause.

    OPENING and CLOSING are the two ends, and MISSING is a file event without a usage event. These
    three have no difference. `problem` describes a failed check, and `settled_by` is the position
    of a later correction, which made the figures equal to the file events again.
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
    """Yield the entries between two positions of the log, the first excluded, in its order, from an
    opening to a closing entry.

    Without an end the last event is the end, and the closing figures are the stored ones. The end
    must not separate the events of a command; the position at a time never does. Raise `CorruptLog`
    for an event that cannot be read.
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
    unpaired: dict[UUID, DecodedEvent] = {}
    for stored in log_queries.events_of(conn, org_id, begin, end, (*CAUSES, *USAGE_EVENTS)):
        if stored.correlation_id != command:
            yield from _missing(unpaired, after, figures)
            command, unpaired = stored.correlation_id, {}
        if stored.type in CAUSES:
            unpaired[stored.event_id] = DecodedEvent(stored, stored.event)
            continue
        cause = unpaired.pop(stored.causation_id, None) if stored.causation_id else None
        if stored.position > after:
            entry = _usage_event(stored, cause, figures)
            figures = entry.figures
            yield entry
    yield from _missing(unpaired, after, figures)
    if until is None:
        yield _closing_now(conn, org_id, figures)
    else:
        yield Entry(Kind.CLOSING, until, figures)


def _usage_event(stored: StoredEvent, cause: DecodedEvent | None, before: Figures) -> Entry:
    change = change_of(stored)
    problems = _problems(stored, cause, before, change)
    return _entry(Kind.EVENT, stored, cause, change.after)._replace(
        delta=change.delta, event_id=stored.event_id, problem="; ".join(problems) or None
    )


def _problems(
    stored: StoredEvent, cause: DecodedEvent | None, before: Figures, change: Change
) -> Iterator[str]:
    expected_after = Figures(*map(add, before, change.delta))
    if expected_after != change.after:
        actual, expected = _differing(change.after, expected_after)
        yield f"it has {actual}, but the usage before plus its change is {expected}"
    if stored.type == CORRECTED:
        return
    if cause is None:
        yield "it has no file event as its cause, or its cause has another usage event"
    elif (expected_delta := _delta_of(cause)) != change.delta:
        actual, expected = _differing(change.delta, expected_delta)
        yield f"its change is {actual}, but its cause changes usage by {expected}"


def _delta_of(cause: DecodedEvent) -> Figures:
    """Return the change of usage that the saga computes from a file event."""
    stored, event = cause
    (reaction,) = storage_usage.react(EventEnvelope(stored.org_id, stored.stream_id, event))
    command = reaction.command
    assert isinstance(command, ChangeStorageUsage)
    return Figures(command.delta_bytes, command.delta_files, command.delta_parts)


def _missing(unpaired: dict[UUID, DecodedEvent], after: int, figures: Figures) -> Iterator[Entry]:
    for cause in unpaired.values():
        if cause.stored.position > after:
            entry = _entry(Kind.MISSING, cause.stored, cause, figures)
            yield entry._replace(problem="it has no usage event")


def _entry(kind: Kind, stored: StoredEvent, cause: DecodedEvent | None, figures: Figures) -> Entry:
    entry = Entry(
        kind,
        stored.position,
        figures,
        recorded_at=stored.recorded_at,
        actor=stored.actor,
        reason=stored.reason,
        cause="correction" if stored.type == CORRECTED else None,
    )
    if cause is None:
        return entry
    file_event, event = cause
    return entry._replace(
        cause=file_event.type.removeprefix("file."),
        cause_position=file_event.position,
        file_id=file_event.stream_id,
        part_number=event.number if isinstance(event, PartUploaded) else None,
    )


def _closing_now(conn: Connection, org_id: UUID, total: Figures) -> Entry:
    shown = get_usage(conn, org_id)
    stored = Figures(shown["used_bytes"], shown["file_count"], shown["part_count"])
    columns = (organizations.c[name] for name in Figures._fields)
    row = conn.execute(select(*columns).where(organizations.c.org_id == org_id)).one()
    problems = [
        "{} reports {}, but the sum of the events is {}".format(
            command, *_differing(figures, total)
        )
        for command, figures in (("usage show", stored), ("org show", Figures(*row)))
        if figures != total
    ]
    return Entry(Kind.CLOSING, shown["position"], stored, problem="; ".join(problems) or None)


def _named(conn: Connection, org_id: UUID, entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield the entries with the names of their files. One query finds many names."""
    for page in batched(entries):
        file_ids = {entry.file_id for entry in page if entry.file_id is not None}
        names = log_queries.file_names(conn, org_id, file_ids) if file_ids else {}
        for entry in page:
            yield entry._replace(file_name=names.get(entry.file_id)) if entry.file_id else entry


def _differing(one: Figures, other: Figures) -> tuple[str, str]:
    """Return the differing figures as texts: `2 files, 3 parts` and `1 file, 1 part`."""
    differ = [
        (left, right, noun)
        for left, right, noun in zip(one, other, ("byte", "file", "part"), strict=True)
        if left != right
    ]
    return (
        ", ".join(_counted(left, noun) for left, _, noun in differ),
        ", ".join(_counted(right, noun) for _, right, noun in differ),
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
