"""The findings of examinations."""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """`hint` is the command or setting that fixes the problem."""

    status: Status
    message: str
    hint: str | None = None


def ok(message: str) -> Finding:
    return Finding(Status.OK, message)


def warning(message: str, hint: str) -> Finding:
    return Finding(Status.WARNING, message, hint)


def problem(message: str, hint: str) -> Finding:
    return Finding(Status.PROBLEM, message, hint)


def skipped(message: str) -> Finding:
    return Finding(Status.SKIPPED, message)
