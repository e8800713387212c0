"""Everything that can go wrong, as one tree.

An error carries a stable `code` for programs, a message for people (lower case, no period), a hint
that names the mend where there is one, and whether the same command may succeed when run again.
Exit codes are not known here: `cli/exits.py` maps each class to its own.
"""

from typing import ClassVar


class CatactlError(Exception):
    code: ClassVar[str] = "error"
    retryable: bool = False

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidValue(CatactlError):
    """A value that no state of the system would accept: malformed, out of range, wrong type."""

    code = "invalid_value"


class NotFound(CatactlError):
    code = "not_found"


class Conflict(CatactlError):
    """The request contradicts what is there already."""

    code = "conflict"


class AlreadyExists(Conflict):
    code = "already_exists"


class VersionConflict(Conflict):
    """A stream or a stored state is not at the version that the writer saw."""

    code = "version_conflict"


class IdempotencyConflict(Conflict):
    code = "idempotency_key_reused"


class AmbiguousName(Conflict):
    """Several organizations had the name in the given time."""

    code = "ambiguous_name"


class Refused(CatactlError):
    """A rule of the domain says no; the state could change so that it says yes."""

    code = "refused"


class QuotaExceeded(Refused):
    code = "quota_exceeded"


class Suspended(Refused):
    code = "organization_suspended"


class InUse(Refused):
    code = "in_use"


class NotEmpty(Refused):
    code = "not_empty"


class Findings(CatactlError):
    """A check ran to its end and found something."""

    code = "findings"


class ContentMissing(Findings):
    """The log says that content is stored, and it is not there."""

    code = "content_missing"


class ContentDamaged(Findings):
    """Stored content has not the digest that the log says."""

    code = "content_damaged"


class PartialFailure(CatactlError):
    """Some of several independent operations failed; the others are done."""

    code = "partial_failure"


class ConfirmationRequired(CatactlError):
    code = "confirmation_required"


class Unreachable(CatactlError):
    code = "database_unreachable"
    retryable = True


class ConnectionLost(Unreachable):
    """A connection to the database broke after it was made."""

    code = "connection_lost"


class OutcomeUnknown(Unreachable):
    """The database did not confirm a commit, and catactl could not find out its outcome.

    It is retryable only with an idempotency key, because only then is it safe to run the command
    again.
    """

    code = "outcome_unknown"

    def __init__(self, message: str, hint: str | None = None, *, retryable: bool = False) -> None:
        super().__init__(message, hint)
        self.retryable = retryable


class ContentUnreachable(Unreachable):
    """Where content is kept cannot be had, or is full."""

    code = "content_unreachable"


class SourceChanged(CatactlError):
    """What is uploaded changed while it was read."""

    code = "changed_while_read"
    retryable = True


class Busy(CatactlError):
    """Locked, or a transaction that the database asks to run again."""

    code = "busy"
    retryable = True


class Forbidden(CatactlError):
    code = "permission_denied"


class BadConfiguration(CatactlError):
    code = "bad_configuration"


class ContentOfAnotherLog(BadConfiguration):
    """Another log recorded an organization's content last, for example that of a copy of the
    database.
    """


class SchemaMismatch(BadConfiguration):
    """The database is empty, older, newer, or not one of ours."""

    code = "schema_mismatch"


class ClockBehindLog(BadConfiguration):
    """The last event of a log is dated later than the clock, so the date of a new event would be
    wrong.
    """

    code = "clock_behind_log"


class CorruptLog(CatactlError):
    """Events that cannot have been written by any version of the rules."""

    code = "corrupt_log"
