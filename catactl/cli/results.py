"""What each command prints with --json: part of the contract with scripts, so fields are added and
never renamed. A test holds what is declared here to what the commands print.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

# A field's type, as JSON has it; `uuid` and `time` (RFC 3339, UTC) are strings. A question mark: it
# may be null. In brackets: an array of these. Fields: an array of objects that have them.
Fields = Mapping[str, Any]


class Result(NamedTuple):
    """The fields of an object. `is_array`: of each one in an array; None: one object where one
    thing is asked for, an array where several are. Some fields are there only now and then.
    """

    fields: Fields
    is_array: bool | None = False
    sometimes: Fields = MappingProxyType({})


_ORGANIZATION: Fields = {
    "org_id": "uuid",
    "name": "string",
    "status": "string",
    "used_bytes": "integer",
    "quota_bytes": "integer?",
    "created_at": "time",
    "version": "integer",
}
_USER: Fields = {
    "org_id": "uuid",
    "user_id": "uuid",
    "email": "string",
    "name": "string?",
    "role": "string",
    "status": "string",
    "created_at": "time",
    "version": "integer",
}
_JOB: Fields = {
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
_FILE: Fields = {
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
_LISTED_PART: Fields = {
    "number": "integer",
    "size_bytes": "integer",
    "sha256": "string",
    "stored": "boolean",
}
_PART: Fields = {"org_id": "uuid", "file_id": "uuid", **_LISTED_PART, "version": "integer"}
_HOW_IT_WENT: Fields = {"outcome": "string", "error": "object?"}
_STORED: Fields = {"stored_bytes": "integer", "skipped_bytes": "integer"}
_DOWNLOADED: Fields = {
    "org_id": "uuid",
    "file_id": "uuid",
    "name": "string",
    "size_bytes": "integer",
    "part_count": "integer",
    "resumed_bytes": "integer",
    "path": "string",
}
_VERIFIED_CONTENT: Fields = {
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
_SWEPT: Fields = {
    "given_up_files": "integer",
    "removed_blobs": "integer",
    "removed_bytes": "integer",
    "abandoned_writes": "integer",
}
_USAGE: Fields = {
    "org_id": "uuid",
    "name": "string",
    "used_bytes": "integer",
    "quota_bytes": "integer?",
    "file_count": "integer",
    "part_count": "integer",
    "position": "integer",
    "as_of": "time",
}
_SPAN: Fields = {
    "start": "time",
    "end": "time",
    "opening_bytes": "integer",
    "closing_bytes": "integer",
    "peak_bytes": "integer",
    "byte_hours": "integer",
    "byte_microseconds": "integer",
}
_LINE: Fields = {
    "kind": "string",
    "org_id": "uuid",
    "name": "string",
    "start": "time",
    "end": "time",
}
_USAGE_LINE: Fields = {
    **_SPAN,
    "closed": "boolean",
    "average_bytes": "integer",
    "gb_hours": "string",
    "gib_hours": "string",
    "gb_month": "string",
    "gib_month": "string",
}
_ADJUSTMENT: Fields = {
    "delta_bytes": "integer",
    "position": "integer",
    "actor": "string",
    "reason": "string?",
}
_FINDING: Fields = {
    "org_id": "uuid",
    "name": "string?",
    "events_bytes": "integer",
    "running_bytes": "integer",
    "organization_bytes": "integer?",
    "projection_bytes": "integer",
    "drift_bytes": "integer",
    "unpaired_events": "integer",
    "drifted": "boolean",
    "corrected": "boolean",
    "correction": "string?",
}
_FINDINGS: Fields = {"checked": "integer", "drifted": "integer", "organizations": _FINDING}
_EVENT: Fields = {
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
_VERIFIED_LOG: Fields = {
    "org_id": "uuid",
    "name": "string?",
    "events": "integer",
    "ok": "boolean",
    "position": "integer?",
    "problem": "string?",
}
_REVISION: Fields = {"revision": "string?", "head": "string", "ok": "boolean"}
_CHECK: Fields = {"name": "string", "status": "string", "message": "string", "hint": "string?"}
_DRY_RUN: Fields = {"dry_run": "boolean"}
_WRITTEN: Fields = {"position": "integer", "events": "[string]"}


def _written(fields: Fields, *, is_array: bool | None = False) -> Result:
    """A resource after a write, with what was done."""
    return Result({**fields, **_WRITTEN}, is_array, _DRY_RUN)


def _list(fields: Fields) -> Result:
    return Result(fields, is_array=True)


RESULTS: dict[str, Result] = {
    "org create": _written(_ORGANIZATION),
    "org list": _list(_ORGANIZATION),
    "org show": Result(_ORGANIZATION),
    "org rename": _written(_ORGANIZATION),
    "org suspend": _written(_ORGANIZATION),
    "org resume": _written(_ORGANIZATION),
    "org delete": _written(_ORGANIZATION),
    "quota set": _written(_ORGANIZATION),
    "quota clear": _written(_ORGANIZATION),
    "quota list": _list({**_ORGANIZATION, "used_percent": "integer"}),
    "user add": _written(_USER),
    "user list": _list(_USER),
    "user show": Result(_USER),
    "user update": _written(_USER),
    "user disable": _written(_USER),
    "user enable": _written(_USER),
    "user remove": _written(_USER),
    "job create": _written(_JOB),
    "job list": _list(_JOB),
    "job show": Result(_JOB),
    "job update": _written(_JOB),
    "job enable": _written(_JOB),
    "job disable": _written(_JOB),
    "job delete": _written(_JOB),
    "file create": _written(_FILE),
    "file complete": _written(_FILE),
    "file list": _list(_FILE),
    "file show": Result(_FILE),
    "file delete": _written(_FILE, is_array=None),
    "file restore": _written(_FILE),
    "file upload": Result(
        {"file_id": "uuid?", "name": "string", "path": "string", **_HOW_IT_WENT, **_STORED},
        None,
        {**_FILE, **_WRITTEN, **_DRY_RUN},
    ),
    "file download": Result({"file_id": "uuid", **_HOW_IT_WENT}, None, _DOWNLOADED),
    "file verify": Result(_VERIFIED_CONTENT),
    "part record": _written(_PART),
    "part upload": _written(_PART),
    "part list": _list(_LISTED_PART),
    "blob verify": Result(_VERIFIED_CONTENT),
    "blob gc": Result(
        {**_SWEPT, "organizations": {"org_id": "uuid", **_SWEPT}}, sometimes=_DRY_RUN
    ),
    "usage show": Result(_USAGE, None),
    "usage history": _list(_SPAN),
    "usage report": Result(_LINE, True, {**_USAGE_LINE, **_ADJUSTMENT}),
    "usage check": Result(_FINDINGS),
    "usage recompute": Result(_FINDINGS, sometimes=_DRY_RUN),
    "event list": _list(_EVENT),
    "event show": Result(_EVENT),
    "event trace": _list(_EVENT),
    "event verify": _list(_VERIFIED_LOG),
    "projection list": _list({"name": "string", "listens": "[string]", "rows": "integer"}),
    "projection rebuild": Result(
        {"name": "string", "organizations": "integer", "events": "integer"}, True, _DRY_RUN
    ),
    "db upgrade": Result(_REVISION),
    "db current": Result(_REVISION),
    "db check": Result(_REVISION),
    "db grants": Result({"role": "string", "statements": "[string]"}),
    "config show": _list({"name": "string", "value": "string?", "origin": "string"}),
    "config path": Result({"path": "string"}),
    "apply": Result(
        {"line": "integer", "status": "string"},
        True,
        {"result": "object", "replayed": "boolean", "error": "object"},
    ),
    "topology": Result({"aggregates": "[object]", "sagas": "[object]", "views": "[object]"}),
    "doctor": Result(
        {"ok": "boolean", "problems": "integer", "warnings": "integer", "checks": _CHECK}
    ),
    "demo": Result(
        {
            **_USAGE,
            **_FINDING,
            "commands": "integer",
            "files_compared": "integer",
            "files_same": "integer",
            "content_problems": "integer",
            "seconds_millis": "integer",
        }
    ),
    "completion": Result({"shell": "string", "script": "string"}),
    "help": Result({"help": "string"}),
    "schema": Result(
        {
            "version": "string",
            "commands": "[object]",
            "option_groups": "object",
            "exit_codes": "[object]",
            "error": "[object]",
        }
    ),
    "version": Result({"version": "string"}),
}
