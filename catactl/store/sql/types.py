"""Column types that hold the same Python values on PostgreSQL and on SQLite."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Dialect, Numeric, String, Text, TypeDecorator, types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from catactl.errors import CorruptLog
from catactl.store.sql.checked_types import Checked, Named, read


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC)


class Id(Named, TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, 36 readable characters on SQLite."""

    impl = types.Uuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return types.Uuid() if dialect.name == "postgresql" else String(36)

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return str(value) if value is not None and dialect.name != "postgresql" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return value if value is None or isinstance(value, UUID) else self.read(UUID, value)


class Instant(Named, TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond. On SQLite RFC 3339 text of fixed width, so it sorts."""

    impl = types.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        postgres = dialect.name == "postgresql"
        return types.DateTime(timezone=True) if postgres else String(32)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return _sortable(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or isinstance(value, datetime):
            return value if value is None else value.astimezone(UTC)
        return self.read(_moment, value)


class Day(Named, TypeDecorator[date]):
    """A date; on SQLite text as well, in a column that is declared as one."""

    impl = types.Date
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return types.Date() if dialect.name == "postgresql" else _Declared()

    def process_bind_param(self, value: date | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else value.isoformat()

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        if value is None or isinstance(value, date):
            return value
        return self.read(date.fromisoformat, value)


class _Declared(types.UserDefinedType[str]):
    """A date by its declaration alone: what is in the column is left to `Day`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "DATE"


def exact(value: object) -> int:
    """Return a number without bounds as a driver has it; `CorruptLog` if it is none."""
    return read(int, value)


def whole(value: object) -> int:
    """Return a number of bytes as a row has it; `CorruptLog` if it is none."""
    if type(value) is int:
        return value
    raise CorruptLog(f"a stored number cannot be read: {value!r}", "catactl usage check")


@lru_cache(maxsize=64)
def _sortable(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


class ExactInteger(Named, TypeDecorator[int]):
    """An integer without bounds: NUMERIC on PostgreSQL, digits on SQLite, whose NUMERIC rounds."""

    impl = types.Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return Numeric(60, 0) if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return self.read(int, value) if value is not None else None


class Document(Checked, TypeDecorator[str]):
    """A JSON document, in and out as text: JSONB on PostgreSQL, whose driver leaves it alone."""

    stored_type = str
    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return Text()
        from sqlalchemy.dialects.postgresql import JSONB  # which SQLite does without

        return JSONB()


def to_text(type_: TypeEngine[Any]) -> Callable[[Any], str] | None:
    """Return how values of a column become the text that SQLite keeps and PostgreSQL reads; None
    where drivers have words of their own for them.
    """
    if isinstance(type_, Id | ExactInteger | Day):
        return str
    return _sortable if isinstance(type_, Instant) else None


class plus_product(FunctionElement[int]):  # noqa: N801 - a SQL function
    """`plus_product(total, a, b)`: total + a * b over `ExactInteger`, which SQLite cannot do."""

    type = ExactInteger()
    inherit_cache = True


@compiles(plus_product, "postgresql")
def _postgresql_plus_product(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    total, a, b = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({total} + CAST({a} AS NUMERIC) * {b})"


@compiles(plus_product, "sqlite")
def _sqlite_plus_product(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"plus_product({compiler.process(element.clauses, **kw)})"


def sqlite_plus_product(total: str, a: int, b: int) -> str:
    """The function that `plus_product` calls on SQLite; every connection registers it."""
    return str(int(total) + int(a) * int(b))


class microseconds_between(FunctionElement[int]):  # noqa: N801 - a SQL function
    """`microseconds_between(later, earlier)` of two `Instant`s, exactly."""

    type = types.BigInteger()
    inherit_cache = True


@compiles(microseconds_between, "postgresql")
def _postgresql_microseconds(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    later, earlier = (compiler.process(clause, **kw) for clause in element.clauses)
    span = f"({later} - {earlier})"
    # Whole days apart: PostgreSQL 13 has seconds as a float, which holds those of a day exactly.
    days = f"CAST(date_part('day', {span}) AS BIGINT) * 86400000000"
    rest = f"date_part('epoch', {span} - date_trunc('day', {span})) * 1000000"
    return f"({days} + CAST({rest} AS BIGINT))"


@compiles(microseconds_between, "sqlite")
def _sqlite_microseconds(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    seconds, rest = (
        [take.format(compiler.process(clause, **kw)) for clause in element.clauses]
        # It would round to milliseconds what comes after the seconds.
        for take in ("strftime('%s', substr({}, 1, 19))", "substr({}, 21, 6)")
    )
    return f"(({' - '.join(seconds)}) * 1000000 + ({' - '.join(rest)}))"


def microseconds(span: timedelta) -> int:
    """A timedelta in whole microseconds, exactly (`total_seconds` is a float)."""
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


class exact_sum(FunctionElement[int]):  # noqa: N801 - a SQL function
    """`exact_sum(x)` over `ExactInteger`, whose sum SQLite would round; null of no rows."""

    type = ExactInteger()
    inherit_cache = True


@compiles(exact_sum, "postgresql")
def _postgresql_exact_sum(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"SUM({compiler.process(element.clauses, **kw)})"


@compiles(exact_sum, "sqlite")
def _sqlite_exact_sum(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"exact_sum({compiler.process(element.clauses, **kw)})"


class SqliteExactSum:
    """The aggregate that `exact_sum` calls on SQLite; every connection registers it."""

    def __init__(self) -> None:
        self._total: int | None = None

    def step(self, value: str | int | None) -> None:
        if value is not None:
            self._total = (self._total or 0) + int(value)

    def finalize(self) -> str | None:
        return str(self._total) if self._total is not None else None


class day_of(FunctionElement[date]):  # noqa: N801 - a SQL function
    """`day_of(moment)`: the date that an `Instant` has in UTC."""

    type = Day()
    inherit_cache = True


@compiles(day_of, "postgresql")
def _postgresql_day_of(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AT TIME ZONE 'UTC' AS DATE)"


@compiles(day_of, "sqlite")
def _sqlite_day_of(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"substr({compiler.process(element.clauses, **kw)}, 1, 10)"


class midnight(FunctionElement[datetime]):  # noqa: N801 - a SQL function
    """`midnight(day)`: the `Instant` at which a date begins in UTC."""

    type = Instant()
    inherit_cache = True


@compiles(midnight, "postgresql")
def _postgresql_midnight(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(CAST({compiler.process(element.clauses, **kw)} AS TIMESTAMP) AT TIME ZONE 'UTC')"


@compiles(midnight, "sqlite")
def _sqlite_midnight(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"({compiler.process(element.clauses, **kw)} || 'T00:00:00.000000+00:00')"


class payload_field(FunctionElement[Any]):  # noqa: N801 - a SQL function
    """`payload_field(events.c.payload, 'size_bytes')`: one field of a JSON object, an integer
    unless another type is given. A field that is not there is null.
    """

    inherit_cache = False

    def __init__(
        self, payload: ColumnElement[Any], field: str, type_: TypeEngine[Any] | None = None
    ) -> None:
        self.type = type_ if type_ is not None else types.BigInteger()
        super().__init__(payload)
        self.field = field


@compiles(payload_field, "postgresql")
def _postgresql_payload_field(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    sql_type = element.type.compile(dialect=compiler.dialect)
    return f"CAST({compiler.process(element.clauses, **kw)} ->> '{element.field}' AS {sql_type})"


@compiles(payload_field, "sqlite")
def _sqlite_payload_field(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_extract({compiler.process(element.clauses, **kw)}, '$.{element.field}')"
