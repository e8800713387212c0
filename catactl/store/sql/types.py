"""Column types that hold the same Python values on PostgreSQL and on SQLite."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import Dialect, Numeric, String, Text, TypeDecorator, types
from sqlalchemy.types import TypeEngine

from catactl.store.sql.checked_types import CheckedType, Named, read

T = TypeVar("T")


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
    """A UUID. On SQLite its 36 characters."""

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
    """A moment in UTC, to the microsecond. On SQLite RFC 3339 text of fixed width, so it sorts."""

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
    """A date. On SQLite RFC 3339 text."""

    impl = types.Date
    cache_ok = True
    postgresql = types.Date()
    sqlite = _Date()
    value_type = date
    from_text = date.fromisoformat


class ExactInteger(_Native[int]):
    """An integer without bounds. On SQLite its digits, because NUMERIC would round them."""

    impl = types.Numeric
    cache_ok = True
    postgresql = Numeric(60, 0)
    value_type = int
    from_text = int


class Document(CheckedType, TypeDecorator[str]):
    """A JSON document, written and read as text. JSONB on PostgreSQL, whose driver does not parse
    it.
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
