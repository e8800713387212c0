"""Results about events and logs."""

from typing import TYPE_CHECKING, TypedDict

from catactl.results.result import JsonObject, Time, Uuid, columns, result_from
from catactl.store.canonical_json import load_document

if TYPE_CHECKING:
    from catactl.store.event_log import StoredEvent


@columns("position recorded_at type stream_id version actor", id="event_id")
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
    others = {"payload": load_document(stored.payload), "hash": stored.hash.hex()}
    return result_from(EventResult, {**stored._asdict(), **others})
