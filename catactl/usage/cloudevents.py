"""Export usage events as CloudEvents 1.0, for metering in other systems.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md

Source and id identify an event permanently, so a receiver that gets an event twice can count it
once. Other systems depend on this format: fields are added, never changed or removed.
"""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Connection

from catactl.results.usage import CloudEvent
from catactl.store import log_queries
from catactl.store.canonical_json import format_instant
from catactl.store.event_log import StoredEvent
from catactl.store.log_queries import CORRECTED, USAGE_EVENTS
from catactl.usage.change import change_of

# Corrections have this type too, because a meter adds up events of one type.
TYPE = "com.catacloud.organization.storage_usage_changed"


def cloudevents(
    conn: Connection, org_ids: Sequence[UUID], after: Mapping[UUID, int], until: Mapping[UUID, int]
) -> Iterator[CloudEvent]:
    """Yield the usage events of each organization between two positions of its log, the first
    excluded, one log after the other.
    """
    for org_id in org_ids:
        events = log_queries.events_of(conn, org_id, after[org_id], until[org_id], USAGE_EVENTS)
        yield from map(_cloudevent, events)


def _cloudevent(stored: StoredEvent) -> CloudEvent:
    delta, after = change_of(stored)
    return {
        "specversion": "1.0",
        "id": str(stored.event_id),
        "source": f"urn:uuid:{stored.org_id}",
        "type": TYPE,
        "subject": str(stored.org_id),
        "time": format_instant(stored.recorded_at),
        "datacontenttype": "application/json",
        "data": {
            "position": stored.position,
            "correction": stored.type == CORRECTED,
            "delta_bytes": delta.used_bytes,
            "delta_files": delta.file_count,
            "delta_parts": delta.part_count,
            **after._asdict(),
        },
    }
