"""The change of usage in a usage event, and the file events that cause usage events."""

from typing import NamedTuple

from catactl.domain.organization import StorageUsageChanged, StorageUsageCorrected
from catactl.errors import CorruptLog
from catactl.sagas import storage_usage
from catactl.store.codec import EVENT_NAMES
from catactl.store.event_log import StoredEvent
from catactl.store.log_queries import Figures

# Each of these leads to exactly one `organization.storage_usage_changed`.
CAUSES = tuple(EVENT_NAMES[event] for event in storage_usage.LISTENS)


class Change(NamedTuple):
    """The signed differences, and the figures after them."""

    delta: Figures
    after: Figures


def change_of(stored: StoredEvent) -> Change:
    """Return the change in a usage event, which may be a correction; raise `CorruptLog` for another
    event.
    """
    match stored.event:
        case StorageUsageChanged() as event:
            delta = Figures(event.delta_bytes, event.delta_files, event.delta_parts)
        case StorageUsageCorrected() as event:
            delta = Figures(
                event.used_bytes - event.before_bytes,
                event.file_count - event.before_files,
                event.part_count - event.before_parts,
            )
        case other:
            raise CorruptLog(f"{type(other).__name__} is not a usage event")
    return Change(delta, Figures(event.used_bytes, event.file_count, event.part_count))
