"""All errors that catactl raises, as one tree.

An error has a stable `code` for programs, a message for people (lower case, no period) and, if
there is a remedy, a hint. After a `retryable` error the same command may succeed when it is run
again. The exit code of each class is in `cli.framework.exit_codes`.
"""

from typing import ClassVar


class CatactlError(Exception):
    """The root of the tree. Raise one of its subclasses."""

    code: ClassVar[str] = "error"
    retryable: bool = False

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


# --- the request ----------------------------------------------------------------------------------


class InvalidValue(CatactlError):
    """A value is malformed, out of range or of the wrong type, in any state of the system."""

    code = "invalid_value"


class ConfirmationRequired(CatactlError):
    """The user did not confirm a command that cannot be undone."""

    code = "confirmation_required"


class Forbidden(CatactlError):
    """The database, the blob store or the file system denies permission."""

    code = "permission_denied"


# --- the state contradicts the request ------------------------------------------------------------


class NotFound(CatactlError):
    """A name or an id does not exist."""

    code = "not_found"


class Conflict(CatactlError):
    """The request contradicts the present state."""

    code = "conflict"


class AlreadyExists(Conflict):
    """The name is taken, or the object exists with other content."""

    code = "already_exists"


class VersionConflict(Conflict):
    """A stream or a state row is not at the version that the writer expects."""

    code = "version_conflict"


class IdempotencyConflict(Conflict):
    """The idempotency key was used for another request."""

    code = "idempotency_key_reused"


class AmbiguousName(Conflict):
    """Several organizations had the name in the given time."""

    code = "ambiguous_name"


class Refused(CatactlError):
    """A rule of the domain forbids the change in the present state."""

    code = "refused"


class QuotaExceeded(Refused):
    """The change would raise an organization's usage above its quota."""

    code = "quota_exceeded"


class Suspended(Refused):
    """A suspended organization accepts no new parts, files or jobs."""

    code = "organization_suspended"


class InUse(Refused):
    """A job configuration names the file as an input."""

    code = "in_use"


class NotEmpty(Refused):
    """The organization still has live files."""

    code = "not_empty"


# --- results of checks and of several operations --------------------------------------------------


class Findings(CatactlError):
    """A check ran to its end and found problems."""

    code = "findings"


class ContentMissing(Findings):
    """Content that the log refers to is missing."""

    code = "content_missing"


class ContentDamaged(Findings):
    """The digest of stored content differs from the digest in the log."""

    code = "content_damaged"


class CorruptLog(CatactlError):
    """The log contains events that no version of the rules can have written."""

    code = "corrupt_log"


class PartialFailure(CatactlError):
    """Some of several independent operations failed. The others are done."""

    code = "partial_failure"


# --- the environment ------------------------------------------------------------------------------


class Unreachable(CatactlError):
    """The database or the output cannot be reached, or a disk is full."""

    code = "database_unreachable"
    retryable = True


class ConnectionLost(Unreachable):
    """A connection to the database broke after it was established."""

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
    """The blob store cannot be reached, or is full."""

    code = "content_unreachable"


class Busy(CatactlError):
    """The log is locked, or the database requires another attempt."""

    code = "busy"
    retryable = True


class SourceChanged(CatactlError):
    """A file changed while it was read for an upload."""

    code = "changed_while_read"
    retryable = True


class BadConfiguration(CatactlError):
    """A setting is missing or wrong."""

    code = "bad_configuration"


class ContentOfAnotherLog(BadConfiguration):
    """Another log recorded an organization's content last, for example the log in a copy of the
    database.
    """


class SchemaMismatch(BadConfiguration):
    """The database is empty, its schema is older or newer, or it is not a database of catactl."""

    code = "schema_mismatch"


class ClockBehindLog(BadConfiguration):
    """The last event of a log is dated later than the clock, so the date of a new event would be
    wrong.
    """

    code = "clock_behind_log"
