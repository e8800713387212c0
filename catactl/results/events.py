"""Results about events and logs."""

from typing import TYPE_CHECKING, TypedDict

from catactl.results.result import JsonObject, Time, Uuid, columns
from catactl.store.canonical_json import format_instant, load_document

if TYPE_CHECKING:
    from catactl.store.event_log import StoredEvent


@columns("position", "recorded_at", "type", "stream_id", "version", "actor", id="event_id")
class EventResult(TypedDict):
    org_id: Uuid
    position: int
    stream_id: Uuid
    version: int
    type: str
    schema_version: int
    payload: JsonObject
    event_id: Uuid
    actor: str
    reason: str | None
    command_id: Uuid
    correlation_id: Uuid
    causation_id: Uuid | None
    recorded_at: Time
    hash: str


class VerifiedLog(TypedDict):
    """A log whose hashes were verified. `position` is the position of the first wrong event."""

    org_id: Uuid
    name: str | None
    events: int
    ok: bool
    position: int | None
    problem: str | None


def event_result(stored: "StoredEvent") -> EventResult:
    causation_id = stored.causation_id
    return {
        "org_id": str(stored.org_id),
        "position": stored.position,
        "stream_id": str(stored.stream_id),
        "version": stored.version,
        "type": stored.type,
        "schema_version": stored.schema_version,
        "payload": load_document(stored.payload),
        "event_id": str(stored.event_id),
        "actor": stored.actor,
        "reason": stored.reason,
        "command_id": str(stored.command_id),
        "correlation_id": str(stored.correlation_id),
        "causation_id": str(causation_id) if causation_id is not None else None,
        "recorded_at": format_instant(stored.recorded_at),
        "hash": stored.hash.hex(),
    }
