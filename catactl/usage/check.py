"""Check storage usage: compare the figures of each organization from independent sources.

- the file events: the last size of each part of each file that is not deleted, without any stored
  difference or stored state;
- the running figures in the organization's usage events;
- the stored state of the organization, and its stored files, one by one and their sum;
- the projection of storage usage.

The check also compares the stored values that decide on usage, the organization's quota, status,
name and version. Each file event that changes usage must have caused exactly one usage event. Each
stored day, from which bills are computed, must equal the sum of its usage events.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import Connection, Engine, select

from catactl.domain.organization import OrganizationCreated, OrganizationRenamed
from catactl.errors import CorruptLog
from catactl.store import canonical_json, clock
from catactl.store.codec import EVENT_NAMES
from catactl.store.log_queries import Figures
from catactl.store.sql.bulk import batched
from catactl.store.sql.engine import reading
from catactl.store.tables import events, organizations
from catactl.usage import figures
from catactl.usage.comparison import Comparison
from catactl.usage.day_check import broken_days
from catactl.usage.figures import FileEvents, StoredFiles
from catactl.usage.organization_states import states_from_events

_NAMING = (EVENT_NAMES[OrganizationCreated], EVENT_NAMES[OrganizationRenamed])
_ORGANIZATIONS_AT_ONCE = 200


def check(engine: Engine, org_ids: Sequence[UUID]) -> Iterator[Comparison]:
    """Yield the comparison of each organization, with one consistent snapshot per batch.

    If the events of one organization cannot be read, the others are still compared.
    """
    for batch in batched(org_ids, _ORGANIZATIONS_AT_ONCE):
        try:
            with reading(engine) as conn:
                comparisons = compare(conn, batch)
        except CorruptLog:
            comparisons = [_check_one(engine, org_id) for org_id in batch]
        yield from comparisons


def _check_one(engine: Engine, org_id: UUID) -> Comparison:
    try:
        with reading(engine) as conn:
            (comparison,) = compare(conn, [org_id])
    except CorruptLog as error:
        with reading(engine) as conn:
            name = select(organizations.c.name).where(organizations.c.org_id == org_id)
            comparison = Comparison(org_id, conn.execute(name).scalar() or str(org_id), error=error)
    return comparison


def compare(conn: Connection, org_ids: Sequence[UUID]) -> list[Comparison]:
    """Compare the figures of the given organizations, in the given order."""
    file_events = figures.of_file_events(conn, org_ids)
    running = figures.running(conn, org_ids)
    unpaired = figures.unpaired_events(conn, org_ids)
    states = states_from_events(conn, org_ids)
    stored = figures.stored_organizations(conn, org_ids)
    projection = figures.stored_projection(conn, org_ids)
    days = broken_days(conn, org_ids)
    stored_files = figures.stored_files(conn, org_ids)
    ahead = clock.logs_ahead(conn, org_ids)
    comparisons = []
    for org_id in org_ids:
        row = stored.get(org_id)
        in_events = file_events.get(org_id, FileEvents())
        in_rows = stored_files.get(org_id, StoredFiles())
        files_without_events = in_rows.file_count - in_events.stored_files
        stored_figures = [projection[org_id]] if org_id in projection else []
        stored_figures += [row.figures] if row is not None else []
        comparisons.append(
            Comparison(
                org_id,
                str(row.state.name) if row is not None else _name_in_events(conn, org_id),
                from_file_events=in_events.figures,
                running=running.get(org_id, Figures()),
                organization=row.figures if row is not None else None,
                projection=projection.get(org_id),
                files=in_rows.figures,
                has_unreadable_row=None in stored_figures,
                broken_days=days.get(org_id, 0),
                broken_files=in_events.differing_files + files_without_events,
                stored_state=row.state if row is not None else None,
                events_state=states.get(org_id),
                unpaired_events=unpaired.get(org_id, 0),
                clock_ahead_seconds=ahead.get(org_id, 0),
            )
        )
    return comparisons


def _name_in_events(conn: Connection, org_id: UUID) -> str:
    """Return the last name in an organization's events, or an empty text without one."""
    payload = conn.execute(
        select(events.c.payload)
        .where(events.c.org_id == org_id, events.c.type.in_(_NAMING))
        .order_by(events.c.position.desc())
        .limit(1)
    ).scalar()
    name: str = canonical_json.load_document(payload)["name"] if payload is not None else ""
    return name
