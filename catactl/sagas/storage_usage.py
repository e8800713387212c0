"""Change the organization's storage usage after each file event that changes bytes or files.

Each such event leads to exactly one command, even if only a digest changed, so that an audit can
pair them.
"""

from catactl.domain.decider import CommandEnvelope, Event, EventEnvelope
from catactl.domain.file import FileCreated, FileDeleted, FileRestored, PartUploaded
from catactl.domain.organization import ChangeStorageUsage

LISTENS: tuple[type[Event], ...] = (FileCreated, PartUploaded, FileDeleted, FileRestored)


def react(envelope: EventEnvelope) -> list[CommandEnvelope]:
    match envelope.event:
        case FileCreated():
            change = ChangeStorageUsage(delta_bytes=0, delta_files=1, delta_parts=0)
        case PartUploaded() as event:
            change = ChangeStorageUsage(
                delta_bytes=event.size_bytes - event.replaced_bytes,
                delta_files=0,
                delta_parts=0 if event.replaced_sha256 else 1,
            )
        case FileDeleted() as event:
            change = ChangeStorageUsage(-event.released_bytes, -1, -event.released_parts)
        case FileRestored() as event:
            change = ChangeStorageUsage(event.charged_bytes, 1, event.charged_parts)
        case other:
            raise AssertionError(f"storage usage does not listen to {type(other).__name__}")
    return [CommandEnvelope(envelope.org_id, change)]
