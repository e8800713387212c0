"""Usage events as CloudEvents 1.0, for whoever meters them elsewhere.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md

Source and id together name an event for ever, from wherever it is exported, so what is ingested
twice can be counted once. Format for others: what stands here never changes, fields are added.
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

# Corrections as well: a meter takes events of one type, and its sum is to be the figure.
TYPE = "com.catacloud.organization.storage_usage_changed"


def cloudevents(
    conn: Connection,
    org_ids: Sequence[UUID],
    after: Mapping[UUID, int],
    until: Mapping[UUID, int],
) -> Iterator[CloudEvent]:
    """Yield the usage events of each organization between two positions of its log, the first
    excluded; one log after the other.
    """
    for org_id in org_ids:
        found = log_queries.events_of(conn, org_id, after[org_id], until[org_id], USAGE_EVENTS)
        yield from map(_cloudevent, found)


def _cloudevent(recorded: StoredEvent) -> CloudEvent:
    delta, after = change_of(recorded)
    return {
        "specversion": "1.0",
        "id": str(recorded.event_id),
        "source": f"urn:uuid:{recorded.org_id}",
        "type": TYPE,
        "subject": str(recorded.org_id),
        "time": format_instant(recorded.recorded_at),
        "datacontenttype": "application/json",
        "data": {
            "position": recorded.position,
            "correction": recorded.type == CORRECTED,
            "delta_bytes": delta.used_bytes,
            "delta_files": delta.file_count,
            "delta_parts": delta.part_count,
            **after._asdict(),
        },
    }
