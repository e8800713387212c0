"""Column types that hold the same Python values on PostgreSQL and on SQLite.

SQLite stores a value of any type in any column, so the types check the values that they read from
it. Values from PostgreSQL are not checked, because the server checks them.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Dialect,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    TypeDecorator,
    types,
)
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


class _Native(Named, TypeDecorator[T]):
    """A type of PostgreSQL that SQLite lacks, so that SQLite stores its values as text."""

    postgresql: ClassVar[TypeEngine[Any]]
    sqlite: ClassVar[TypeEngine[Any]] = Text()
    value_type: ClassVar[type[Any]]
    to_text: Callable[[Any], str] = str
    from_text: Callable[[Any], T]

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return self.postgresql if dialect.name == "postgresql" else self.sqlite

    def process_bind_param(self, value: T | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else self.to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> T | None:
        if value is None or isinstance(value, self.value_type):
            return value
        return read(self.from_text, value, self.column_name)


class IdType(_Native[UUID]):
    """A UUID. SQLite stores its 36 characters."""

    impl = types.Uuid
    cache_ok = True
    postgresql = types.Uuid()
    sqlite = String(36)
    value_type = UUID
    from_text = UUID


@lru_cache(maxsize=64)
def _format_instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _parse_instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC)


class Instant(_Native[datetime]):
    """A moment in UTC, to the microsecond. SQLite stores RFC 3339 text, which sorts."""

    impl = types.DateTime
    cache_ok = True
    postgresql = types.DateTime(timezone=True)
    sqlite = String(32)
    value_type = datetime
    to_text = staticmethod(_format_instant)
    from_text = staticmethod(_parse_instant)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return super().process_result_value(value, dialect)


class _Date(types.UserDefinedType[str]):
    """A column of SQLite that is declared as DATE. `Day` converts its values."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "DATE"


class Day(_Native[date]):
    """A date. SQLite stores RFC 3339 text."""

    impl = types.Date
    cache_ok = True
    postgresql = types.Date()
    sqlite = _Date()
    value_type = date
    from_text = date.fromisoformat


class ExactInteger(_Native[int]):
    """An integer without bounds. SQLite stores its digits, because NUMERIC would round them."""

    impl = types.Numeric
    cache_ok = True
    postgresql = Numeric(60, 0)
    value_type = int
    from_text = int


class Document(CheckedType, TypeDecorator[str]):
    """A JSON document, written and read as text. PostgreSQL stores JSONB, and its driver does not
    parse it.
    """

    stored_type = str
    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return Text()
        from sqlalchemy.dialects.postgresql import JSONB  # here, because SQLite does not need it

        return JSONB()


def to_text(type_: TypeEngine[Any]) -> Callable[[Any], str] | None:
    """Return the function that converts a column's values to the text that SQLite stores and
    PostgreSQL accepts; None for types that both drivers convert themselves.
    """
    return type_.to_text if isinstance(type_, _Native) else None
