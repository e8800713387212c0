"""Storage usage now: bytes, files and parts, a row an organization."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from catactl.domain.decider import Event
from catactl.domain.organization import StorageUsageChanged, StorageUsageCorrected
from catactl.projections.projection import Columns, DecodedEvent, Rows, Upsert
from catactl.store.tables import storage_usage

NAME = "storage_usage"
TABLE = storage_usage
LISTENS: tuple[type[Event], ...] = (StorageUsageChanged, StorageUsageCorrected)


def _replace(new: Columns, _present: Columns) -> Mapping[str, Any]:
    return {column.name: new[column.name] for column in storage_usage.c if not column.primary_key}


_UPSERT = Upsert(storage_usage, _replace)


def fold(rows: Rows, org_id: UUID, happened: Sequence[DecodedEvent]) -> None:
    """Set the organization's row to the last of the events: each carries the figures after it."""
    recorded, event = happened[-1]
    assert isinstance(event, StorageUsageChanged | StorageUsageCorrected)
    rows[org_id] = {
        "org_id": org_id,
        "used_bytes": event.used_bytes,
        "file_count": event.file_count,
        "part_count": event.part_count,
        "position": recorded.position,
        "recorded_at": recorded.recorded_at,
    }


def apply(conn: Connection, org_id: UUID, happened: Sequence[DecodedEvent]) -> None:
    rows: Rows = {}
    fold(rows, org_id, happened)
    _UPSERT.write(conn, rows[org_id])
