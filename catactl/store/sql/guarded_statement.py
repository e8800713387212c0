"""Statements that must affect exactly one row, and the types of parameters and rows."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy.sql.base import Executable

from catactl.errors import CatactlError

SqlRow = tuple[Any, ...]
Parameters = Mapping[str, Any]


class GuardedStatement(NamedTuple):
    """A statement and its parameters. With `otherwise` it must affect exactly one row;
    if not, the error that `otherwise` returns is raised.
    """

    statement: Executable
    parameters: Parameters
    otherwise: Callable[[], CatactlError] | None = None
