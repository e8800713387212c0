"""What each command prints with --json; a test holds what is declared here to what is printed."""

from types import MappingProxyType
from typing import NamedTuple

from catactl.results.fields import (
    ADJUSTMENT,
    CHECK,
    CLOCK,
    CLOUDEVENT,
    CONFIG_PROBLEM,
    DOWNLOADED,
    DRY_RUN,
    EVENT,
    EXPLAINED,
    FILE,
    FINDING,
    FINDINGS,
    GROWTH,
    HOW_IT_WENT,
    JOB,
    LINE,
    LISTED_PART,
    ORGANIZATION,
    PART,
    REVISION,
    ROWS_CHECKED,
    SPAN,
    STORED,
    SWEPT,
    USAGE,
    USAGE_LINE,
    USER,
    VERIFIED_CONTENT,
    VERIFIED_LOG,
    WRITTEN,
    Fields,
)


class Result(NamedTuple):
    """The fields of an object. `is_array`: of each one in an array; None: one object where one
    thing is asked for, an array where several are. Some fields are there only now and then.
    """

    fields: Fields
    is_array: bool | None = False
    sometimes: Fields = MappingProxyType({})


def _written(fields: Fields, *, is_array: bool | None = False) -> Result:
    """A resource after a write, with what was done."""
    return Result({**fields, **WRITTEN}, is_array, DRY_RUN)


def _list(fields: Fields) -> Result:
    return Result(fields, is_array=True)


RESULTS: dict[str, Result] = {
    "org create": _written(ORGANIZATION),
    "org list": _list(ORGANIZATION),
    "org show": Result(ORGANIZATION),
    "org rename": _written(ORGANIZATION),
    "org suspend": _written(ORGANIZATION),
    "org resume": _written(ORGANIZATION),
    "org delete": _written(ORGANIZATION),
    "quota set": _written(ORGANIZATION),
    "quota clear": _written(ORGANIZATION),
    "quota list": _list({**ORGANIZATION, "used_percent": "integer"}),
    "user add": _written(USER),
    "user list": _list(USER),
    "user show": Result(USER),
    "user update": _written(USER),
    "user disable": _written(USER),
    "user enable": _written(USER),
    "user remove": _written(USER),
    "job create": _written(JOB),
    "job list": _list(JOB),
    "job show": Result(JOB),
    "job update": _written(JOB),
    "job enable": _written(JOB),
    "job disable": _written(JOB),
    "job delete": _written(JOB),
    "file create": _written(FILE),
    "file complete": _written(FILE),
    "file list": _list(FILE),
    "file show": Result(FILE),
    "file delete": _written(FILE, is_array=None),
    "file restore": _written(FILE),
    "file upload": Result(
        {"file_id": "uuid?", "name": "string", "path": "string", **HOW_IT_WENT, **STORED},
        None,
        {**FILE, **WRITTEN, **DRY_RUN},
    ),
    "file download": Result({"file_id": "uuid", "name": "string", **HOW_IT_WENT}, None, DOWNLOADED),
    "file verify": Result(VERIFIED_CONTENT),
    "part record": _written(PART),
    "part upload": _written(PART),
    "part list": _list(LISTED_PART),
    "blob verify": Result(VERIFIED_CONTENT),
    "blob gc": Result({**SWEPT, "organizations": {"org_id": "uuid", **SWEPT}}, sometimes=DRY_RUN),
    "usage show": Result({**USAGE, **CLOCK}, None, GROWTH),
    "usage top": _list({**USAGE, **GROWTH, **CLOCK}),
    "usage history": _list(SPAN),
    "usage report": Result(LINE, True, {**USAGE_LINE, **ADJUSTMENT}),
    "usage explain": _list(EXPLAINED),
    "usage export": _list(CLOUDEVENT),
    "usage check": Result(FINDINGS),
    "usage recompute": Result(FINDINGS, sometimes=DRY_RUN),
    "event list": _list(EVENT),
    "event show": Result(EVENT),
    "event trace": _list(EVENT),
    "event verify": _list(VERIFIED_LOG),
    "event correct-clock": _written(ORGANIZATION),
    "projection list": _list({"name": "string", "listens": "[string]", "rows": "integer"}),
    "projection check": Result(ROWS_CHECKED),
    "projection rebuild": Result(
        {"name": "string", "organizations": "integer", "events": "integer"}, True, DRY_RUN
    ),
    "db upgrade": Result(REVISION),
    "db current": Result(REVISION),
    "db check": Result(REVISION),
    "db grants": Result({"role": "string", "statements": "[string]"}),
    "config show": _list({"name": "string", "value": "string?", "origin": "string"}),
    "config validate": Result({"path": "string", "ok": "boolean", "problems": CONFIG_PROBLEM}),
    "config path": Result({"path": "string"}),
    "apply": Result(
        {"line": "integer", "status": "string"},
        True,
        {"result": "object", "replayed": "boolean", "error": "object"},
    ),
    "topology": Result({"aggregates": "[object]", "sagas": "[object]", "views": "[object]"}),
    "doctor": Result(
        {"ok": "boolean", "problems": "integer", "warnings": "integer", "checks": CHECK}
    ),
    "demo": Result(
        {
            **USAGE,
            **FINDING,
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
            "lines": "[object]",
        }
    ),
    "version": Result({"version": "string"}),
}
