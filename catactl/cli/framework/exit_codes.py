"""The only table of exit codes, with the errors that lead to each."""

from typing import NamedTuple

from catactl.errors import (
    BadConfiguration,
    Busy,
    CatactlError,
    ConfirmationRequired,
    Conflict,
    CorruptLog,
    Findings,
    Forbidden,
    InvalidValue,
    NotFound,
    PartialFailure,
    Refused,
    SourceChanged,
    Unreachable,
)
from catactl.results.error import ErrorResult

DONE = 0
BUG = 1
USAGE = 2
INTERRUPTED = 130
TERMINATED = 143


class ExitCode(NamedTuple):
    """The meaning of a code, and the classes of errors, with their subclasses, that have it."""

    meaning: str
    errors: tuple[type[CatactlError], ...] = ()


EXIT_CODES = {
    DONE: ExitCode("done, or nothing left to do"),
    BUG: ExitCode("a bug in catactl"),
    USAGE: ExitCode("unknown command, bad option or value", (InvalidValue,)),
    3: ExitCode("not found", (NotFound,)),
    4: ExitCode(
        "conflict: exists with other content, version, key used for another request, "
        "ambiguous name",
        (Conflict,),
    ),
    5: ExitCode("refused by a rule: quota, suspended, not empty, in use", (Refused,)),
    6: ExitCode(
        "findings: drift, stored rows that differ, a broken log, lost content",
        (Findings, CorruptLog),
    ),
    7: ExitCode("some of several failed", (PartialFailure,)),
    8: ExitCode("confirmation missing or declined", (ConfirmationRequired,)),
    69: ExitCode(
        "database or content unreachable, disk full, outcome of a commit unknown", (Unreachable,)
    ),
    75: ExitCode(
        "locked, a file changed while it was read, or another temporary error",
        (Busy, SourceChanged),
    ),
    77: ExitCode("permission", (Forbidden,)),
    78: ExitCode(
        "configuration, no location for content, content of another log, schema not at head, "
        "a clock behind the log",
        (BadConfiguration,),
    ),
    INTERRUPTED: ExitCode("interrupted"),
    TERMINATED: ExitCode("terminated"),
}


def exit_code(error: CatactlError) -> int:
    """Return the exit code of a command that ends with the error."""
    return next((code for code, row in EXIT_CODES.items() if isinstance(error, row.errors)), BUG)


def as_fields(error: CatactlError) -> ErrorResult:
    """Return the JSON object that describes the error."""
    return {
        "code": error.code,
        "exit": exit_code(error),
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }
