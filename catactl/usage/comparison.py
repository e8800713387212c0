"""The result of comparing an organization's stored figures with its events."""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from catactl.errors import Busy, ClockBehindLog, CorruptLog
from catactl.results.usage import UsageFinding
from catactl.store.log_queries import Figures
from catactl.usage.organization_states import OrganizationState

_NONE = Figures()


@dataclass
class Comparison:
    """The figures of an organization from each source, and the differences.

    `from_file_events` are the sums of the file events, `running` the figures of the last usage
    event, `organization`, `projection` and `files` the stored figures: None if a row is unreadable,
    or if the row of the organization or projection is missing. `correction` is the correction that
    a recomputation made: `rebuilt` (rows, from their events) or `event` (the running figures).
    `error` is the reason if the organization could not be compared or corrected.
    `clock_ahead_seconds` is 0 for a log that is not ahead of the clock.
    """

    org_id: UUID
    name: str
    from_file_events: Figures = _NONE
    running: Figures = _NONE
    organization: Figures | None = None
    projection: Figures | None = None
    files: Figures | None = _NONE
    has_unreadable_row: bool = False
    broken_days: int = 0
    broken_files: int = 0
    stored_state: OrganizationState | None = None
    events_state: OrganizationState | None = None
    unpaired_events: int = 0
    clock_ahead_seconds: int = 0
    correction: str | None = None
    error: Busy | CorruptLog | ClockBehindLog | None = None

    @property
    def rows_differ(self) -> bool:
        """Return whether a stored row differs from the usage events, or from the organization's own
        events.
        """
        figures = (self.organization or _NONE, self.projection or _NONE)
        return (
            figures != (self.running, self.running)
            or self.has_unreadable_row
            or self.state_differs
            or self.broken_days > 0
        )

    @property
    def state_differs(self) -> bool:
        """Return whether the organization's stored quota, status, name or version differs from its
        events.
        """
        return self.stored_state != self.events_state

    @property
    def files_differ(self) -> bool:
        """Return whether the stored files differ from the file events."""
        return self.files != self.from_file_events or self.broken_files > 0

    @property
    def events_differ(self) -> bool:
        """Return whether the usage events differ from the file events."""
        return self.running != self.from_file_events or self.unpaired_events > 0

    @property
    def is_unreadable(self) -> bool:
        """Return whether the events cannot be read, so that there are no figures."""
        return isinstance(self.error, CorruptLog)

    @property
    def drifted(self) -> bool:
        return self.rows_differ or self.files_differ or self.events_differ or self.is_unreadable

    @property
    def drift_bytes(self) -> int:
        """Return the largest difference of a stored or running figure from the sum of the file
        events, with its sign.
        """
        stored = (self.organization or _NONE, self.projection or _NONE, self.files or _NONE)
        exact_bytes = self.from_file_events.used_bytes
        return max((each.used_bytes - exact_bytes for each in (self.running, *stored)), key=abs)

    def as_result(self) -> UsageFinding:
        """Return the comparison as a result. It has no figures if the events cannot be read."""
        figures: dict[str, object] = {
            "events_bytes": self.from_file_events.used_bytes,
            "running_bytes": self.running.used_bytes,
            "organization_bytes": self.organization.used_bytes if self.organization else None,
            "projection_bytes": self.projection.used_bytes if self.projection else 0,
            "files_bytes": self.files.used_bytes if self.files else None,
            "broken_days": self.broken_days,
            "broken_files": self.broken_files,
            "drift_bytes": self.drift_bytes,
            "unpaired_events": self.unpaired_events,
            "stored_quota_bytes": _quota_bytes(self.stored_state),
            "events_quota_bytes": _quota_bytes(self.events_state),
            "state_differs": self.state_differs,
        }
        result = {
            "org_id": str(self.org_id),
            "name": self.name,
            **(dict.fromkeys(figures) if self.is_unreadable else figures),
            "drifted": self.drifted,
            "corrected": self.correction is not None,
            "correction": self.correction,
            "clock_ahead_seconds": self.clock_ahead_seconds,
        }
        return cast(UsageFinding, result)


def _quota_bytes(state: OrganizationState | None) -> int | None:
    """Return a state's quota; None without a quota, or if the stored quota is not a number."""
    quota_bytes = state.quota_bytes if state is not None else None
    return quota_bytes if isinstance(quota_bytes, int) else None
