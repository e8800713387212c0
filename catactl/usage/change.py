"""What a usage event says: by how much usage changed, and the figures after it."""

from typing import NamedTuple

from catactl.domain.organization import StorageUsageChanged, StorageUsageCorrected
from catactl.errors import CorruptLog
from catactl.store.event_log import StoredEvent
from catactl.store.log_queries import Figures


class Change(NamedTuple):
    """`delta` has the differences, signed; `after` what they led to."""

    delta: Figures
    after: Figures


def change_of(recorded: StoredEvent) -> Change:
    """Return what a usage event says, which may be a correction; or raise `CorruptLog`."""
    match recorded.event:
        case StorageUsageChanged() as event:
            delta = Figures(event.delta_bytes, event.delta_files, event.delta_parts)
        case StorageUsageCorrected() as event:
            delta = Figures(
                event.used_bytes - event.before_bytes,
                event.file_count - event.before_files,
                event.part_count - event.before_parts,
            )
        case other:
            raise CorruptLog(f"{type(other).__name__} is no usage event")
    return Change(delta, Figures(event.used_bytes, event.file_count, event.part_count))
