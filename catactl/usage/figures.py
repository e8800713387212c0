"""Query the figures that a check compares, for many organizations at once.

Queries of stored rows return their values without conversion, because the rows may have been
tampered with.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Table, and_, case, func, select
from sqlalchemy.sql.elements import ColumnElement

from catactl.domain.file import FileDeleted, PartUploaded
from catactl.errors import CorruptLog
from catactl.store.codec import EVENT_NAMES
from catactl.store.latest_event import latest_event
from catactl.store.log_queries import CHANGED, CORRECTED, USAGE_EVENTS, Figures
from catactl.store.sql.functions import payload_field
from catactl.store.stored_rows import unchecked
from catactl.store.tables import events, files, logs, organizations, storage_usage
from catactl.usage.change import CAUSES
from catactl.usage.organization_states import OrganizationState

_FILE_IS_LIVE = case((files.c.deleted, 0), else_=1)


class FileEvents(NamedTuple):
    """The sums of an organization's file events. `stored_files` is the number of files in the
    events that have a stored row; `differing_files` the number of those whose row differs or is
    missing.
    """

    figures: Figures = Figures()
    differing_files: int = 0
    stored_files: int = 0


class StoredOrganization(NamedTuple):
    """An organization's stored row. `figures` is None if one of them is not a number."""

    state: OrganizationState
    figures: Figures | None


class StoredFiles(NamedTuple):
    """The sums of an organization's stored files, and their number, deleted ones included."""

    figures: Figures | None = Figures()
    file_count: int = 0


def of_file_events(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, FileEvents]:
    """Add up the last size of each part of each file, unless the file's own last event deleted it.
    Compare each file with its stored row.

    One pass over the events: the events of the file itself are a group like each of its parts.
    """
    is_part = events.c.type == EVENT_NAMES[PartUploaded]
    number = payload_field(events.c.payload, "number")
    last = latest_event(
        [events.c.org_id, events.c.stream_id, is_part, number],
        events.c.org_id,
        events.c.stream_id,
        case((is_part, None), else_=events.c.type).label("own_type"),
        case((is_part, payload_field(events.c.payload, "size_bytes"))).label("size_bytes"),
        where=and_(events.c.org_id.in_(org_ids), events.c.type.in_(CAUSES)),
    )
    own_type = func.max(last.c.own_type)
    file = (
        select(
            last.c.org_id,
            last.c.stream_id,
            func.coalesce(func.sum(last.c.size_bytes), 0).label("size_bytes"),
            (func.count() - func.count(last.c.own_type)).label("part_count"),
            case((own_type != EVENT_NAMES[FileDeleted], 1), else_=0).label("is_live"),
        )
        .group_by(last.c.org_id, last.c.stream_id)
        .subquery()
    )
    agrees = and_(
        files.c.size_bytes == file.c.size_bytes,
        files.c.part_count == file.c.part_count,
        file.c.is_live == _FILE_IS_LIVE,
    )
    query = (
        select(
            file.c.org_id,
            func.sum(file.c.is_live * file.c.size_bytes).label("used_bytes"),
            func.sum(file.c.is_live).label("file_count"),
            func.sum(file.c.is_live * file.c.part_count).label("part_count"),
            func.sum(case((agrees, 0), else_=1)).label("differing_files"),
            func.count(files.c.file_id).label("stored_files"),
        )
        .outerjoin(
            files, and_(files.c.org_id == file.c.org_id, files.c.file_id == file.c.stream_id)
        )
        .group_by(file.c.org_id)
    )
    return {
        row.org_id: FileEvents(_figures(row), row.differing_files, row.stored_files)
        for row in conn.execute(query)
    }


def running(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, Figures]:
    """Return the figures of the last usage event of each log. The query reads no other events."""
    each = events.alias()
    last = (
        select(each.c.position)
        .where(each.c.org_id == logs.c.org_id, each.c.type.in_(USAGE_EVENTS))
        .order_by(each.c.position.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            events.c.org_id,
            *(payload_field(events.c.payload, name).label(name) for name in Figures._fields),
        )
        .join(logs, logs.c.org_id == events.c.org_id)
        .where(logs.c.org_id.in_(org_ids), events.c.position == last)
    )
    return {row.org_id: _figures(row) for row in conn.execute(query)}


def unpaired_events(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Count the file and usage events without exactly one counterpart after the last correction.

    A correction is based on the file events, so earlier events do not matter.
    """
    of_organizations = events.c.org_id.in_(org_ids)
    corrected = (
        select(events.c.org_id, func.max(events.c.position).label("position"))
        .where(of_organizations, events.c.type == CORRECTED)
        .group_by(events.c.org_id)
        .subquery()
    )
    is_effect = events.c.type == CHANGED
    both = (
        select(
            events.c.org_id,
            case((is_effect, events.c.causation_id), else_=events.c.event_id).label("cause"),
            case((is_effect, 0), else_=1).label("is_cause"),
        )
        .outerjoin(corrected, corrected.c.org_id == events.c.org_id)
        .where(
            of_organizations,
            events.c.type.in_((*CAUSES, CHANGED)),
            events.c.position > func.coalesce(corrected.c.position, 0),
        )
        .subquery()
    )
    is_pair = and_(func.sum(both.c.is_cause) == 1, func.count() == 2)
    pairs = (
        select(both.c.org_id, case((is_pair, 0), else_=1).label("unpaired"))
        .group_by(both.c.org_id, both.c.cause)
        .subquery()
    )
    query = select(pairs.c.org_id, func.sum(pairs.c.unpaired).label("unpaired"))
    return {row[0]: row[1] for row in conn.execute(query.group_by(pairs.c.org_id))}


def stored_organizations(
    conn: Connection, org_ids: Sequence[UUID]
) -> dict[UUID, StoredOrganization]:
    names = (*OrganizationState._fields, *Figures._fields)
    return {
        row.org_id: StoredOrganization(
            OrganizationState(row.name, row.status, row.quota_bytes, row.version),
            _stored_figures(row),
        )
        for row in _stored_rows(conn, organizations, names, org_ids)
    }


def stored_projection(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, Figures | None]:
    """Return the figures of the projection of storage usage; None if one of them is not a number.
    Omit organizations without a row.
    """
    rows = _stored_rows(conn, storage_usage, Figures._fields, org_ids)
    return {row.org_id: _stored_figures(row) for row in rows}


def stored_files(conn: Connection, org_ids: Sequence[UUID]) -> dict[UUID, StoredFiles]:
    query = (
        select(
            files.c.org_id,
            func.sum(_FILE_IS_LIVE * unchecked(files.c.size_bytes)).label("used_bytes"),
            func.sum(_FILE_IS_LIVE).label("file_count"),
            func.sum(_FILE_IS_LIVE * unchecked(files.c.part_count)).label("part_count"),
            func.count().label("stored_files"),
        )
        .where(files.c.org_id.in_(org_ids))
        .group_by(files.c.org_id)
    )
    return {
        row.org_id: StoredFiles(_stored_figures(row), row.stored_files)
        for row in conn.execute(query)
    }


def _stored_rows(
    conn: Connection, table: Table, names: Sequence[str], org_ids: Sequence[UUID]
) -> Iterator[Any]:
    columns: list[ColumnElement[Any]] = [unchecked(table.c[name]).label(name) for name in names]
    yield from conn.execute(select(table.c.org_id, *columns).where(table.c.org_id.in_(org_ids)))


def _figures(row: Any) -> Figures:
    try:
        return Figures(int(row.used_bytes), int(row.file_count), int(row.part_count))
    except (TypeError, ValueError):
        message = f"a usage event of organization {row.org_id} has no figures"
        raise CorruptLog(message, "catactl event verify") from None


def _stored_figures(row: Any) -> Figures | None:
    """Return the figures of a stored row; None unless all are numbers."""
    values = [getattr(row, name) for name in Figures._fields]
    is_readable = all(isinstance(value, int | Decimal) for value in values)
    return Figures(*map(int, values)) if is_readable else None
