"""Prove storage usage, and correct it.

Figures are compared for each organization:

- first principles: the last size of each part of each file that is not deleted, from the file
  events alone, without any stored delta or stored state;
- the running figure that the organization's own usage events carry;
- the organization's stored state, and its stored files, each of them and their sum;
- the storage usage view.

The stored values that decide on usage are compared too: the organization's quota, status, name and
version. Each file event that changes usage must have been answered by exactly one usage event, and
each day of the view that bills are made of must be what its usage events add up to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Select, Table, and_, case, func, select
from sqlalchemy.sql.elements import ColumnElement

from catactl.domain.organization import CorrectStorageUsage
from catactl.errors import Busy, ClockBehindLog, CorruptLog
from catactl.handling.handler import Handler, Intent
from catactl.handling.rebuild import rebuild
from catactl.store import canonical_json, clock
from catactl.store.latest_event import latest_event
from catactl.store.log_queries import Figures
from catactl.store.sql.engine import reading
from catactl.store.sql.functions import payload_field
from catactl.store.stored_rows import unchecked
from catactl.store.tables import events, files, logs, organizations, storage_usage
from catactl.usage.days import broken_days
from catactl.usage.states import State, states_from_events

_PART_UPLOADED = "file.part_uploaded"
_USAGE_CHANGING = ("file.created", _PART_UPLOADED, "file.deleted", "file.restored")
_CHANGED = "organization.storage_usage_changed"
_CORRECTED = "organization.storage_usage_corrected"
_ORGANIZATIONS_AT_ONCE = 200
_VERIFY = "catactl event verify"
_FILE_IS_LIVE = case((files.c.deleted, 0), else_=1)
_FILES = select(
    files.c.org_id,
    func.sum(_FILE_IS_LIVE * unchecked(files.c.size_bytes)).label("used_bytes"),
    func.sum(_FILE_IS_LIVE).label("file_count"),
    func.sum(_FILE_IS_LIVE * unchecked(files.c.part_count)).label("part_count"),
    func.count().label("stored"),
).group_by(files.c.org_id)


@dataclass
class Finding:
    """The result of comparing an organization. `correction` says how recomputing corrected it, if
    it did: `rebuilt` (rows from their own events) or `event` (the events' running figure). `error`
    is the reason if it could not be compared or corrected. Stored figures are None if a row is
    missing or unreadable. `clock_ahead_seconds` is 0 for a log that is not ahead of the clock.
    """

    org_id: UUID
    name: str
    first_principles: Figures = field(default_factory=Figures)
    running: Figures = field(default_factory=Figures)
    organization: Figures | None = None
    view: Figures | None = None
    files: Figures | None = field(default_factory=Figures)
    broken_days: int = 0
    broken_files: int = 0
    stored_state: State | None = None
    events_state: State | None = None
    is_view_unreadable: bool = False
    unpaired_events: int = 0
    clock_ahead_seconds: int = 0
    correction: str | None = None
    error: Busy | CorruptLog | ClockBehindLog | None = None

    @property
    def rows_differ(self) -> bool:
        """Whether a stored row says other than the events it was made from."""
        stored = ((self.organization or Figures()), (self.view or Figures()))
        figures_depart = stored != (self.running, self.running) or self.is_view_unreadable
        return figures_depart or self.state_differs or self.broken_days > 0

    @property
    def state_differs(self) -> bool:
        """Return whether the organization's stored quota, status, name or version differs from its
        events.
        """
        return self.stored_state != self.events_state

    @property
    def files_differ(self) -> bool:
        """Whether the stored files are others than those of the file events."""
        return self.files != self.first_principles or self.broken_files > 0

    @property
    def events_differ(self) -> bool:
        """Whether the running figure is not what the file events add up to."""
        return self.running != self.first_principles or self.unpaired_events > 0

    @property
    def is_unreadable(self) -> bool:
        """Whether its events cannot be read: then there are no figures, and nothing is proved."""
        return isinstance(self.error, CorruptLog)

    @property
    def drifted(self) -> bool:
        differs = self.rows_differ or self.files_differ or self.events_differ
        return differs or self.is_unreadable

    @property
    def drift_bytes(self) -> int:
        """The largest departure of a stored or running figure from first principles, signed."""
        rows = (self.organization or Figures(), self.view or Figures(), self.files or Figures())
        figures = (self.running, *rows)
        departures = [each.used_bytes - self.first_principles.used_bytes for each in figures]
        return max(departures, key=abs)

    def as_row(self) -> dict[str, Any]:
        figures: dict[str, object] = {
            "events_bytes": self.first_principles.used_bytes,
            "running_bytes": self.running.used_bytes,
            "organization_bytes": self.organization.used_bytes if self.organization else None,
            "projection_bytes": self.view.used_bytes if self.view else 0,
            "files_bytes": self.files.used_bytes if self.files else None,
            "broken_days": self.broken_days,
            "broken_files": self.broken_files,
            "drift_bytes": self.drift_bytes,
            "unpaired_events": self.unpaired_events,
            "stored_quota_bytes": _quota_bytes(self.stored_state),
            "events_quota_bytes": _quota_bytes(self.events_state),
            "state_differs": self.state_differs,
        }
        return {
            "org_id": str(self.org_id),
            "name": self.name,
            **(dict.fromkeys(figures) if self.is_unreadable else figures),
            "drifted": self.drifted,
            "corrected": self.correction is not None,
            "correction": self.correction,
            "clock_ahead_seconds": self.clock_ahead_seconds,
        }


def _quota_bytes(state: State | None) -> int | None:
    """Return a state's quota; None if it has no quota or the stored quota is not a number."""
    quota_bytes = state.quota_bytes if state is not None else None
    return quota_bytes if isinstance(quota_bytes, int) else None


def check(engine: Engine, org_ids: Sequence[UUID]) -> Iterator[Finding]:
    """Yield what was found for each organization, each batch of them in one consistent snapshot.

    One whose events cannot be read keeps no other from being proved.
    """
    for first in range(0, len(org_ids), _ORGANIZATIONS_AT_ONCE):
        some = org_ids[first : first + _ORGANIZATIONS_AT_ONCE]
        try:
            with reading(engine) as conn:
                found = compare(conn, some)
        except CorruptLog:
            found = [_check_by_itself(engine, org_id) for org_id in some]
        yield from found


def _check_by_itself(engine: Engine, org_id: UUID) -> Finding:
    try:
        with reading(engine) as conn:
            (finding,) = compare(conn, [org_id])
    except CorruptLog as error:
        with reading(engine) as conn:
            name = select(organizations.c.name).where(organizations.c.org_id == org_id)
            finding = Finding(org_id, conn.execute(name).scalar() or str(org_id), error=error)
    return finding


def recompute(
    handler: Handler, engine: Engine, org_ids: Sequence[UUID], intent: Intent
) -> Iterator[Finding]:
    """Check each organization and correct those that drifted, one transaction each.

    A snapshot finds the candidates, so writers wait only where something is wrong; each candidate
    is compared again under its lock, and only that comparison is acted on. So two recomputations at
    once, or a second one, correct nothing twice. One that is locked for too long keeps no other
    from being corrected, nor does one whose events cannot be read: its finding has the error.
    """
    for finding in check(engine, org_ids):
        can_be = finding.drifted and not finding.is_unreadable
        yield _correct(handler, finding, intent) if can_be else finding


def _correct(handler: Handler, candidate: Finding, intent: Intent) -> Finding:
    """Rebuild rows from their own events without an event; correct the running figure with one.

    Under an idempotency key that was used before nothing is done, and the candidate stays as it is.
    """
    org_id = candidate.org_id
    findings = [candidate]

    def inspect(conn: Connection) -> CorrectStorageUsage | None:
        (finding,) = compare(conn, [org_id])
        findings[:] = [finding]
        if finding.rows_differ or finding.files_differ:
            finding.correction = "rebuilt"
            rebuild(conn, org_id)
            (again,) = compare(conn, [org_id])
            if again.rows_differ or again.files_differ:
                raise CorruptLog("its events are none that rows could follow from", _VERIFY)
        if not finding.events_differ:
            return None
        finding.correction = "event"
        exact = finding.first_principles
        return CorrectStorageUsage(
            used_bytes=exact.used_bytes,
            file_count=exact.file_count,
            part_count=exact.part_count,
            compared="running figure with file events",
            unpaired_events=finding.unpaired_events,
        )

    try:
        handler.inspect_and_handle(org_id, intent, inspect)
    except (Busy, CorruptLog, ClockBehindLog) as error:
        findings[0].error = error
    if intent.dry_run or findings[0].error:
        findings[0].correction = None
    return findings[0]


def compare(conn: Connection, org_ids: Sequence[UUID]) -> list[Finding]:
    """Compare the figures of the given organizations, in the order given."""
    findings = {org_id: Finding(org_id, "") for org_id in org_ids}
    ours = events.c.org_id.in_(org_ids)
    found_files = dict[UUID, int]()
    for row in conn.execute(_first_principles(ours)):
        finding = findings[row.org_id]
        finding.first_principles = _figures(row)
        finding.broken_files, found_files[row.org_id] = row.broken, row.found
    for row in conn.execute(_running(org_ids)):
        findings[row.org_id].running = _figures(row)
    for row in conn.execute(_unpaired(ours)):
        findings[row.org_id].unpaired_events = row.unpaired_events
    for org_id, state in states_from_events(conn, org_ids).items():
        findings[org_id].events_state = state
    for row in conn.execute(_stored(organizations, *State._fields, *Figures._fields, of=org_ids)):
        finding = findings[row.org_id]
        finding.name = str(row.name)
        finding.stored_state = State(*(getattr(row, name) for name in State._fields))
        finding.organization = _stored_figures(row)
    for row in conn.execute(_stored(storage_usage, *Figures._fields, of=org_ids)):
        findings[row.org_id].view = _stored_figures(row)
        findings[row.org_id].is_view_unreadable = findings[row.org_id].view is None
    for org_id, count in broken_days(conn, org_ids).items():
        findings[org_id].broken_days = count
    for row in conn.execute(_FILES.where(files.c.org_id.in_(org_ids))):
        findings[row.org_id].files = _stored_figures(row)
        findings[row.org_id].broken_files += row.stored - found_files.get(row.org_id, 0)
    for org_id, seconds in clock.logs_ahead(conn, org_ids).items():
        findings[org_id].clock_ahead_seconds = seconds
    for finding in findings.values():
        if finding.organization is None:
            finding.name = _name_in_events(conn, finding.org_id)
    return list(findings.values())


def _name_in_events(conn: Connection, org_id: UUID) -> str:
    """The name that an organization's events gave it last, for one whose row is missing."""
    naming = ("organization.created", "organization.renamed")
    payload = conn.execute(
        select(events.c.payload)
        .where(events.c.org_id == org_id, events.c.type.in_(naming))
        .order_by(events.c.position.desc())
        .limit(1)
    ).scalar()
    name: str = canonical_json.load_document(payload)["name"] if payload is not None else ""
    return name


def _figures(row: Any) -> Figures:
    try:
        return Figures(int(row.used_bytes), int(row.file_count), int(row.part_count))
    except (TypeError, ValueError):
        raise CorruptLog(
            f"a usage event of organization {row.org_id} has no figures", _VERIFY
        ) from None


def _first_principles(ours: ColumnElement[bool]) -> Any:
    """Add up the last size of each part of each file, unless the file's own last event deleted it;
    and count the files whose stored row differs.

    One pass over the events: those of the file itself are a group beside its parts.
    """
    is_part = events.c.type == _PART_UPLOADED
    number = payload_field(events.c.payload, "number")
    last = latest_event(
        [events.c.org_id, events.c.stream_id, is_part, number],
        events.c.org_id,
        events.c.stream_id,
        case((is_part, None), else_=events.c.type).label("own_type"),
        case((is_part, payload_field(events.c.payload, "size_bytes"))).label("size_bytes"),
        where=and_(ours, events.c.type.in_(_USAGE_CHANGING)),
    )
    own_type = func.max(last.c.own_type)
    file = (
        select(
            last.c.org_id,
            last.c.stream_id,
            func.coalesce(func.sum(last.c.size_bytes), 0).label("size_bytes"),
            (func.count() - func.count(last.c.own_type)).label("part_count"),
            case((own_type != "file.deleted", 1), else_=0).label("is_live"),
        )
        .group_by(last.c.org_id, last.c.stream_id)
        .subquery()
    )
    agrees = and_(
        files.c.size_bytes == file.c.size_bytes,
        files.c.part_count == file.c.part_count,
        file.c.is_live == _FILE_IS_LIVE,
    )
    return (
        select(
            file.c.org_id,
            func.sum(file.c.is_live * file.c.size_bytes).label("used_bytes"),
            func.sum(file.c.is_live).label("file_count"),
            func.sum(file.c.is_live * file.c.part_count).label("part_count"),
            func.sum(case((agrees, 0), else_=1)).label("broken"),
            func.count(files.c.file_id).label("found"),
        )
        .outerjoin(
            files, and_(files.c.org_id == file.c.org_id, files.c.file_id == file.c.stream_id)
        )
        .group_by(file.c.org_id)
    )


def _stored(table: Table, *names: str, of: Sequence[UUID]) -> Select[Any]:
    """Return the query for some columns of organizations, without conversion of their values."""
    columns = (unchecked(table.c[name]).label(name) for name in names)
    return select(table.c.org_id, *columns).where(table.c.org_id.in_(of))


def _stored_figures(row: Any) -> Figures | None:
    """Return the figures of a stored row; None unless all are numbers."""
    values = [getattr(row, name) for name in Figures._fields]
    is_readable = all(isinstance(value, int | Decimal) for value in values)
    return Figures(*map(int, values)) if is_readable else None


def _running(org_ids: Sequence[UUID]) -> Any:
    """Look up the last usage event of each log, from its end: not one of all others is read."""
    each = events.alias()
    last = (
        select(each.c.position)
        .where(each.c.org_id == logs.c.org_id, each.c.type.in_((_CHANGED, _CORRECTED)))
        .order_by(each.c.position.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            events.c.org_id,
            *(payload_field(events.c.payload, name).label(name) for name in Figures._fields),
        )
        .join(logs, logs.c.org_id == events.c.org_id)
        .where(logs.c.org_id.in_(org_ids), events.c.position == last)
    )


def _unpaired(ours: ColumnElement[bool]) -> Any:
    """Count file and usage events without exactly one counterpart, past the last correction.

    A correction settles what came before it: the figure stands on first principles from there.
    """
    corrected = (
        select(events.c.org_id, func.max(events.c.position).label("position"))
        .where(ours, events.c.type == _CORRECTED)
        .group_by(events.c.org_id)
        .subquery()
    )
    is_answer = events.c.type == _CHANGED
    both = (
        select(
            events.c.org_id,
            case((is_answer, events.c.causation_id), else_=events.c.event_id).label("cause"),
            case((is_answer, 0), else_=1).label("as_cause"),
        )
        .outerjoin(corrected, corrected.c.org_id == events.c.org_id)
        .where(
            ours,
            events.c.type.in_((*_USAGE_CHANGING, _CHANGED)),
            events.c.position > func.coalesce(corrected.c.position, 0),
        )
        .subquery()
    )
    pairs = (
        select(
            both.c.org_id,
            case((and_(func.sum(both.c.as_cause) == 1, func.count() == 2), 0), else_=1).label(
                "unpaired"
            ),
        )
        .group_by(both.c.org_id, both.c.cause)
        .subquery()
    )
    return select(pairs.c.org_id, func.sum(pairs.c.unpaired).label("unpaired_events")).group_by(
        pairs.c.org_id
    )
