"""Storage usage: each file event that changes bytes or files is answered by one usage command.

Exactly one for each, also when nothing but a digest changed: so the pairs can be audited.
"""

from catactl.domain.decider import CommandEnvelope, Event, EventEnvelope
from catactl.domain.file import FileCreated, FileDeleted, FileRestored, PartUploaded
from catactl.domain.organization import ChangeStorageUsage

LISTENS: tuple[type[Event], ...] = (FileCreated, PartUploaded, FileDeleted, FileRestored)


def react(occurred: EventEnvelope) -> list[CommandEnvelope]:
    match occurred.event:
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
    return [CommandEnvelope(occurred.org_id, change)]
