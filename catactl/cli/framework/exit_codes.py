"""The only table from errors to exit codes."""

from catactl import errors

DONE = 0
BUG = 1
USAGE = 2
INTERRUPTED = 130
TERMINATED = 143

# The first class that an error is an instance of decides, so subclasses may stand before their
# bases.
EXIT_CODES: tuple[tuple[type[errors.CatactlError], int], ...] = (
    (errors.InvalidValue, USAGE),
    (errors.NotFound, 3),
    (errors.Conflict, 4),
    (errors.Refused, 5),
    (errors.Findings, 6),
    (errors.CorruptLog, 6),
    (errors.PartialFailure, 7),
    (errors.ConfirmationRequired, 8),
    (errors.Unreachable, 69),
    (errors.Busy, 75),
    (errors.SourceChanged, 75),
    (errors.Forbidden, 77),
    (errors.BadConfiguration, 78),
)


MEANINGS = {
    DONE: "done, or nothing left to do",
    BUG: "a bug in catactl",
    USAGE: "unknown command, bad option or value",
    3: "not found",
    4: "conflict: exists with other content, version, key used for another request, ambiguous name",
    5: "refused by a rule: quota, suspended, not empty, in use",
    6: "findings: drift, stored rows that differ, a broken log, lost content",
    7: "some of several failed",
    8: "confirmation missing or declined",
    69: "database or content unreachable, disk full, outcome of a commit unknown",
    75: "locked, a file changed while it was read, or else worth running again",
    77: "permission",
    78: "configuration, no place for content, content of another log, schema not at head, "
    "a clock behind the log",
    INTERRUPTED: "interrupted",
    TERMINATED: "terminated",
}


def as_fields(error: errors.CatactlError) -> dict[str, object]:
    """Return an error as programs get it."""
    return {
        "code": error.code,
        "exit": exit_code(error),
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }


def exit_code(error: errors.CatactlError) -> int:
    return next((code for cls, code in EXIT_CODES if isinstance(error, cls)), BUG)
