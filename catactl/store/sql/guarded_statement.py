"""A statement on its way to the database, and what comes back."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy.sql.base import Executable

from catactl.errors import CatactlError

Row = tuple[Any, ...]
Parameters = Mapping[str, Any]


class GuardedStatement(NamedTuple):
    """A query; when `otherwise` is given, it must affect exactly one row."""

    statement: Executable
    parameters: Parameters
    otherwise: Callable[[], CatactlError] | None = None
