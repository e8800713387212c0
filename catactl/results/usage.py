"""Results about storage usage."""

from typing import NotRequired, TypedDict

from catactl.results.error import ErrorResult
from catactl.results.result import JsonObject, Time, Uuid, columns


class CurrentUsage(TypedDict):
    """Usage of an organization as of the last event in its log."""

    org_id: Uuid
    name: str
    used_bytes: int
    quota_bytes: int | None
    file_count: int
    part_count: int
    position: int
    as_of: Time


class UsageWithGrowth(CurrentUsage):
    """Usage now, and its growth until now. `quota_reached_estimate` is a date."""

    used_percent: int | None
    growth_7_days_bytes: int
    growth_30_days_bytes: int
    quota_reached_estimate: str | None


class ClockAhead(TypedDict):
    """The time by which the last event in a log is dated after the clock."""

    clock_ahead_seconds: int


@columns("org_id name used_bytes quota_bytes file_count part_count position as_of")
class UsageResult(CurrentUsage, ClockAhead):
    """Usage at a time. Usage of the present also has the fields of `UsageWithGrowth`."""

    used_percent: NotRequired[int | None]
    growth_7_days_bytes: NotRequired[int]
    growth_30_days_bytes: NotRequired[int]
    quota_reached_estimate: NotRequired[str | None]


@columns(
    "org_id name used_bytes quota_bytes used_percent growth_7_days_bytes growth_30_days_bytes "
    "quota_reached_estimate",
    bar="used_bytes",
)
class TopResult(UsageWithGrowth, ClockAhead):
    pass


@columns("start end opening_bytes closing_bytes peak_bytes byte_hours", bar="closing_bytes")
class HistoryResult(TypedDict):
    """Usage in one bucket of a history."""

    start: Time
    end: Time
    opening_bytes: int
    closing_bytes: int
    peak_bytes: int
    byte_hours: int
    byte_microseconds: int


class UnitAmounts(TypedDict):
    """The same integral of usage over time in all units. Decimals are strings."""

    byte_hours: int
    gb_hours: str
    gib_hours: str
    gb_month: str
    gib_month: str


# The columns of a report, before the column of a unit and `delta_bytes`.
REPORT_COLUMNS = ("kind", "org_id", "name", "start", "end", "average_bytes", "peak_bytes")


class _ReportLine(TypedDict):
    kind: str
    org_id: Uuid
    name: str
    start: Time
    end: Time


class ReportLine(_ReportLine, total=False):
    """A line of a bill. Its kind is `usage`, or `adjustment` for a correction in the period."""

    opening_bytes: int
    closing_bytes: int
    peak_bytes: int
    byte_hours: int
    byte_microseconds: int
    closed: bool
    average_bytes: int
    gb_hours: str
    gib_hours: str
    gb_month: str
    gib_month: str
    clock_ahead_seconds: int
    delta_bytes: int
    position: int
    actor: str
    reason: str | None


@columns(
    "kind position recorded_at delta_bytes used_bytes cause file_name file_id part_number "
    "actor reason problem",
    id="event_id",
    for_programs="file_id",
)
class ExplanationRow(TypedDict):
    """A usage event and its cause, or the figure before the first or after the last of them."""

    kind: str
    position: int
    recorded_at: Time | None
    delta_bytes: int | None
    used_bytes: int
    cause: str | None
    cause_position: int | None
    file_id: Uuid | None
    file_name: str | None
    part_number: int | None
    actor: str | None
    reason: str | None
    event_id: Uuid | None
    problem: str | None
    settled_by: int | None


@columns("id time subject type data")
class CloudEvent(TypedDict):
    """A usage event in the form of CloudEvents 1.0."""

    specversion: str
    id: Uuid
    source: str
    type: str
    subject: Uuid
    time: Time
    datacontenttype: str
    data: JsonObject


class UsageFinding(TypedDict):
    """The result of a check of an organization's usage."""

    org_id: Uuid
    name: str | None
    events_bytes: int | None
    running_bytes: int | None
    organization_bytes: int | None
    projection_bytes: int | None
    files_bytes: int | None
    broken_days: int | None
    broken_files: int | None
    drift_bytes: int | None
    unpaired_events: int | None
    stored_quota_bytes: int | None
    events_quota_bytes: int | None
    state_differs: bool | None
    drifted: bool
    corrected: bool
    correction: str | None
    clock_ahead_seconds: int


@columns(
    "org_id name events_bytes organization_bytes projection_bytes drift_bytes unpaired_events "
    "correction files_bytes broken_days broken_files state_differs"
)
class UsageFindingResult(UsageFinding):
    """A finding. `error` is the reason why the organization could not be checked or corrected."""

    error: ErrorResult | None


class CheckResult(TypedDict):
    """The result of a check of usage in all organizations that were checked."""

    checked: int
    drifted: int
    organizations: list[UsageFindingResult]


class RecomputeResult(CheckResult):
    dry_run: NotRequired[bool]
