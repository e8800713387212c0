"""Current storage usage in bytes, files and parts, one row per organization."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from catactl.domain.decider import Event
from catactl.domain.organization import StorageUsageChanged, StorageUsageCorrected
from catactl.projections.projection import DecodedEvent, Rows
from catactl.store.sql.upsert import Upsert
from catactl.store.tables import storage_usage

NAME = "storage_usage"
TABLE = storage_usage
LISTENS: tuple[type[Event], ...] = (StorageUsageChanged, StorageUsageCorrected)
_UPSERT = Upsert(storage_usage)


def fold(rows: Rows, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
    """Set the organization's row to the figures after the last event, which the event carries."""
    stored, event = events[-1]
    assert isinstance(event, StorageUsageChanged | StorageUsageCorrected)
    rows[org_id] = {
        "org_id": org_id,
        "used_bytes": event.used_bytes,
        "file_count": event.file_count,
        "part_count": event.part_count,
        "position": stored.position,
        "recorded_at": stored.recorded_at,
    }


def apply(conn: Connection, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
    rows: Rows = {}
    fold(rows, org_id, events)
    _UPSERT.write(conn, rows[org_id])
