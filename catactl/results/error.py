"""Errors in JSON."""

from typing import TypedDict


class ErrorResult(TypedDict):
    """An error. `exit` is the exit code of a command that ends with it."""

    code: str
    exit: int
    message: str
    hint: str | None
    retryable: bool
