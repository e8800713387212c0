"""Check the types of values that are read from SQLite, because SQLite stores a value of any type in
any column. Values from PostgreSQL are not checked, because the server checks them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Boolean, Dialect, Integer, LargeBinary, String, Text
from sqlalchemy.types import TypeEngine

from catactl.errors import CorruptLog

T = TypeVar("T")


def read(convert: Callable[[Any], T], value: object, column_name: str = "") -> T:
    """Convert a stored value; raise `CorruptLog` if its type or form is wrong."""
    try:
        return convert(value)
    except (ValueError, TypeError, OverflowError, AttributeError):
        raise unreadable(value, column_name) from None


def unreadable(value: object, column_name: str = "") -> CorruptLog:
    """Return the error for a stored value that cannot be read."""
    where = f" of {column_name}" if column_name else ""
    if column_name.startswith(("events.", "logs.")):
        hint = "catactl event verify"
    elif column_name.startswith(("users.", "idempotency_keys.")):
        hint = "restore the row from a backup, because this table does not follow from events"
    else:
        hint = "catactl projection check, then catactl projection rebuild"
    return CorruptLog(f"a stored value{where} cannot be read: {repr(value)[:80]}", hint)


def checked_integer(value: object) -> int:
    """Return an integer of a result row; raise `CorruptLog` if the value has another type."""
    if type(value) is int:
        return value
    raise CorruptLog(f"a stored number cannot be read: {value!r}", "catactl usage check")


class Named:
    """A column type that names its column in errors. A subclass raises `CorruptLog` for a value
    from SQLite of another type.
    """

    column_name = ""


class CheckedType(Named):
    """A column type of one Python type, checked on SQLite. PostgreSQL checks types itself."""

    stored_type: type

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        if dialect.name == "postgresql":
            return super().result_processor(dialect, coltype)  # type: ignore[misc,no-any-return]
        stored_type = self.stored_type

        def check(value: Any) -> Any:
            if type(value) is stored_type or value is None:
                return value
            raise unreadable(value, self.column_name)

        return check


def name_column(type_: TypeEngine[Any], name: str) -> None:
    """Give a column's type the column's name, for errors."""
    assert isinstance(type_, Named)
    type_.column_name = name


class CheckedInteger(CheckedType, Integer):
    """An integer."""

    stored_type = int


class CheckedBigInteger(CheckedType, BigInteger):
    """A 64-bit integer."""

    stored_type = int


class CheckedText(CheckedType, Text):
    """A text."""

    stored_type = str


class CheckedString(CheckedType, String):
    """A text of limited length."""

    stored_type = str


class CheckedBytes(CheckedType, LargeBinary):
    """Bytes."""

    stored_type = bytes


class CheckedBoolean(Named, Boolean):
    """A boolean, which SQLite stores as 0 or 1."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return None if dialect.name == "postgresql" else self._read

    def _read(self, value: Any) -> bool | None:
        if value is None:
            return None
        if type(value) is int and value in (0, 1):
            return value == 1
        raise unreadable(value, self.column_name)
