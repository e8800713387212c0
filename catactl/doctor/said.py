"""What examinations say."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class Said(NamedTuple):
    """What was seen; `hint` is the command or setting that mends it."""

    status: Status
    message: str
    hint: str | None = None


class Check(NamedTuple):
    """The same with the examination's name; several may have one name."""

    name: str
    status: Status
    message: str
    hint: str | None = None


def ok(message: str) -> Said:
    return Said(Status.OK, message)


def warning(message: str, hint: str) -> Said:
    return Said(Status.WARNING, message, hint)


def problem(message: str, hint: str) -> Said:
    return Said(Status.PROBLEM, message, hint)


def skipped(message: str) -> Said:
    return Said(Status.SKIPPED, message)
