"""The shapes of results: what identifies each resource, and what a list of it shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What identifies a resource, and which of its fields a list shows. JSON has all of them.

    People get a bar a row for the figure that `bar` names, and no columns of `for_programs`.
    """

    id_field: str
    columns: tuple[str, ...]
    bar: str | None = None
    for_programs: tuple[str, ...] = ()


ORGANIZATION = Shape(
    "org_id", ("org_id", "name", "status", "used_bytes", "quota_bytes", "created_at")
)
QUOTA = Shape("org_id", ("org_id", "name", "used_bytes", "quota_bytes", "used_percent"))
USER = Shape("user_id", ("user_id", "email", "name", "role", "status", "created_at"))
JOB = Shape("job_id", ("job_id", "name", "status", "image", "schedule", "created_at"))
FILE = Shape("file_id", ("file_id", "name", "status", "size_bytes", "part_count", "created_at"))
PART = Shape("number", ("number", "size_bytes", "sha256", "stored"))
UPLOADED = Shape("file_id", ("file_id", "name", "outcome", "size_bytes", "stored_bytes", "path"))
DOWNLOADED = Shape("file_id", ("file_id", "name", "outcome", "size_bytes", "path"))
PROBLEM = Shape(
    "sha256", ("problem", "org_id", "file_id", "name", "number", "sha256", "size_bytes", "where")
)
SWEPT = Shape(
    "org_id",
    ("org_id", "given_up_files", "removed_blobs", "removed_bytes", "abandoned_writes"),
)
USAGE = Shape(
    "org_id",
    (
        "org_id",
        "name",
        "used_bytes",
        "quota_bytes",
        "file_count",
        "part_count",
        "position",
        "as_of",
    ),
)
LARGEST = Shape(
    "org_id",
    (
        "org_id",
        "name",
        "used_bytes",
        "quota_bytes",
        "used_percent",
        "growth_7_days_bytes",
        "growth_30_days_bytes",
        "quota_reached_estimate",
    ),
    bar="used_bytes",
)
SPAN = Shape(
    "start",
    ("start", "end", "opening_bytes", "closing_bytes", "peak_bytes", "byte_hours"),
    bar="closing_bytes",
)
REPORT_COLUMNS = ("kind", "org_id", "name", "start", "end", "average_bytes", "peak_bytes")
EXPLAINED = Shape(
    "event_id",
    (
        "kind",
        "position",
        "recorded_at",
        "delta_bytes",
        "used_bytes",
        "cause",
        "file_name",
        "file_id",
        "part_number",
        "actor",
        "reason",
        "problem",
    ),
    for_programs=("file_id",),
)
CLOUDEVENT = Shape("id", ("id", "time", "subject", "type", "data"))
FINDING = Shape(
    "org_id",
    (
        "org_id",
        "name",
        "events_bytes",
        "organization_bytes",
        "projection_bytes",
        "drift_bytes",
        "unpaired_events",
        "correction",
        "files_bytes",
        "broken_days",
        "broken_files",
        "state_differs",
    ),
)
EVENT = Shape("event_id", ("position", "recorded_at", "type", "stream_id", "version", "actor"))
VERIFIED = Shape("org_id", ("org_id", "name", "events", "ok", "position", "problem"))
VIEW = Shape("name", ("name", "listens", "rows"))
DIFFERENCE = Shape(
    "org_id",
    ("org_id", "name", "table", "key", "problem", "column", "stored", "from_events"),
)
SETTING = Shape("name", ("name", "value", "origin"))
CHECK = Shape("name", ("status", "name", "message", "hint"))
SCHEMA = Shape("revision", ("revision", "head", "ok"))
APPLIED = Shape("line", ("line", "status", "result", "error"))
VIEW_REBUILT = Shape("name", ("name", "organizations", "events"))
PROBLEM_IN_CONFIG = Shape("where", ("where", "key", "message", "hint"))
