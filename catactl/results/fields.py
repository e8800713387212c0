"""The fields of what commands print as JSON, by resource: part of the contract with scripts, so
fields are added and never renamed.
"""

from collections.abc import Mapping
from typing import Any

# A field's type, as JSON has it; `uuid` and `time` (RFC 3339, UTC) are strings. A question mark: it
# may be null. In brackets: an array of these. Fields: an array of objects that have them.
Fields = Mapping[str, Any]

ORGANIZATION: Fields = {
    "org_id": "uuid",
    "name": "string",
    "status": "string",
    "used_bytes": "integer",
    "quota_bytes": "integer?",
    "created_at": "time",
    "version": "integer",
}
USER: Fields = {
    "org_id": "uuid",
    "user_id": "uuid",
    "email": "string",
    "name": "string?",
    "role": "string",
    "status": "string",
    "created_at": "time",
    "version": "integer",
}
JOB: Fields = {
    "org_id": "uuid",
    "job_id": "uuid",
    "status": "string",
    "name": "string",
    "image": "string",
    "command": "string?",
    "env": "object",
    "cpu_millis": "integer?",
    "memory_bytes": "integer?",
    "timeout_seconds": "integer?",
    "schedule": "string?",
    "inputs": "[string]",
    "created_at": "time",
    "version": "integer",
}
FILE: Fields = {
    "org_id": "uuid",
    "file_id": "uuid",
    "name": "string",
    "status": "string",
    "size_bytes": "integer",
    "part_count": "integer",
    "linked_by": "[string]",
    "content_swept": "boolean",
    "created_at": "time",
    "version": "integer",
}
LISTED_PART: Fields = {
    "number": "integer",
    "size_bytes": "integer",
    "sha256": "string",
    "stored": "boolean",
}
PART: Fields = {"org_id": "uuid", "file_id": "uuid", **LISTED_PART, "version": "integer"}
HOW_IT_WENT: Fields = {"outcome": "string", "error": "object?"}
STORED: Fields = {"stored_bytes": "integer", "skipped_bytes": "integer"}
DOWNLOADED: Fields = {
    "org_id": "uuid",
    "file_id": "uuid",
    "name": "string",
    "size_bytes": "integer",
    "part_count": "integer",
    "resumed_bytes": "integer",
    "path": "string",
}
VERIFIED_CONTENT: Fields = {
    "files": "integer",
    "blobs": "integer",
    "read_bytes": "integer",
    "elsewhere": "integer",
    "missing": "integer",
    "damaged": "integer",
    "orphaned": "integer",
    "problems": {
        "problem": "string",
        "org_id": "uuid",
        "file_id": "uuid?",
        "name": "string?",
        "number": "integer?",
        "sha256": "string",
        "size_bytes": "integer",
        "where": "string",
    },
}
SWEPT: Fields = {
    "given_up_files": "integer",
    "removed_blobs": "integer",
    "removed_bytes": "integer",
    "abandoned_writes": "integer",
}
USAGE: Fields = {
    "org_id": "uuid",
    "name": "string",
    "used_bytes": "integer",
    "quota_bytes": "integer?",
    "file_count": "integer",
    "part_count": "integer",
    "position": "integer",
    "as_of": "time",
}
CLOCK: Fields = {"clock_ahead_seconds": "integer"}
GROWTH: Fields = {
    "used_percent": "integer?",
    "growth_7_days_bytes": "integer",
    "growth_30_days_bytes": "integer",
    "quota_reached_estimate": "string?",
}
EXPLAINED: Fields = {
    "kind": "string",
    "position": "integer",
    "recorded_at": "time?",
    "delta_bytes": "integer?",
    "used_bytes": "integer",
    "cause": "string?",
    "cause_position": "integer?",
    "file_id": "uuid?",
    "file_name": "string?",
    "part_number": "integer?",
    "actor": "string?",
    "reason": "string?",
    "event_id": "uuid?",
    "problem": "string?",
    "settled_by": "integer?",
}
CLOUDEVENT: Fields = {
    "specversion": "string",
    "id": "uuid",
    "source": "string",
    "type": "string",
    "subject": "uuid",
    "time": "time",
    "datacontenttype": "string",
    "data": "object",
}
SPAN: Fields = {
    "start": "time",
    "end": "time",
    "opening_bytes": "integer",
    "closing_bytes": "integer",
    "peak_bytes": "integer",
    "byte_hours": "integer",
    "byte_microseconds": "integer",
}
LINE: Fields = {
    "kind": "string",
    "org_id": "uuid",
    "name": "string",
    "start": "time",
    "end": "time",
}
USAGE_LINE: Fields = {
    **SPAN,
    "closed": "boolean",
    "average_bytes": "integer",
    "gb_hours": "string",
    "gib_hours": "string",
    "gb_month": "string",
    "gib_month": "string",
    **CLOCK,
}
ADJUSTMENT: Fields = {
    "delta_bytes": "integer",
    "position": "integer",
    "actor": "string",
    "reason": "string?",
}
FINDING: Fields = {
    "org_id": "uuid",
    "name": "string?",
    "events_bytes": "integer?",
    "running_bytes": "integer?",
    "organization_bytes": "integer?",
    "projection_bytes": "integer?",
    "files_bytes": "integer?",
    "broken_days": "integer?",
    "broken_files": "integer?",
    "drift_bytes": "integer?",
    "unpaired_events": "integer?",
    "stored_quota_bytes": "integer?",
    "events_quota_bytes": "integer?",
    "state_differs": "boolean?",
    "drifted": "boolean",
    "corrected": "boolean",
    "correction": "string?",
    **CLOCK,
}
FINDINGS: Fields = {
    "checked": "integer",
    "drifted": "integer",
    "organizations": {**FINDING, "error": "object?"},
}
# `problem` is `changed`, `missing` or `extra`. Only `changed` has a column.
DIFFERENCE: Fields = {
    "table": "string",
    "key": "string",
    "problem": "string",
    "column": "string?",
    "stored": "string?",
    "from_events": "string?",
}
ROWS_CHECKED: Fields = {
    "checked": "integer",
    "differing": "integer",
    "organizations": {
        "org_id": "string",
        "name": "string?",
        "differences": "integer",
        "rows": DIFFERENCE,
        "error": "object?",
    },
}
EVENT: Fields = {
    "org_id": "uuid",
    "position": "integer",
    "stream_id": "uuid",
    "version": "integer",
    "type": "string",
    "schema_version": "integer",
    "payload": "object",
    "event_id": "uuid",
    "actor": "string",
    "reason": "string?",
    "command_id": "uuid",
    "correlation_id": "uuid",
    "causation_id": "uuid?",
    "recorded_at": "time",
    "hash": "string",
}
VERIFIED_LOG: Fields = {
    "org_id": "uuid",
    "name": "string?",
    "events": "integer",
    "ok": "boolean",
    "position": "integer?",
    "problem": "string?",
}
REVISION: Fields = {"revision": "string?", "head": "string", "ok": "boolean"}
CHECK: Fields = {"name": "string", "status": "string", "message": "string", "hint": "string?"}
CONFIG_PROBLEM: Fields = {
    "where": "string",
    "key": "string?",
    "message": "string",
    "hint": "string?",
}
DRY_RUN: Fields = {"dry_run": "boolean"}
WRITTEN: Fields = {"position": "integer", "events": "[string]"}
