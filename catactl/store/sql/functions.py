"""SQL functions that give the same values on PostgreSQL and on SQLite."""

import sqlite3
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import types
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from catactl.store.sql.types import Day, ExactInteger, Instant

T = TypeVar("T")


class _Function(FunctionElement[T]):
    """A function with its SQL in both dialects, where `{0}` stands for the first argument."""

    postgresql: str
    sqlite: str


@compiles(_Function)
def _compile(element: Any, compiler: SQLCompiler, **kw: Any) -> str:
    template: str = getattr(element, compiler.dialect.name)
    return template.format(*(compiler.process(clause, **kw) for clause in element.clauses))


class plus_product(_Function[int]):  # noqa: N801 - a SQL function
    """`plus_product(total, a, b)`: total + a * b over `ExactInteger`."""

    type = ExactInteger()
    inherit_cache = True
    postgresql = "({0} + CAST({1} AS NUMERIC) * {2})"
    sqlite = "plus_product({0}, {1}, {2})"


class exact_sum(_Function[int]):  # noqa: N801 - a SQL function
    """`exact_sum(x)` over `ExactInteger`; null for no rows."""

    type = ExactInteger()
    inherit_cache = True
    postgresql = "SUM({0})"
    sqlite = "exact_sum({0})"


_PERIOD = "({0} - {1})"


class microseconds_between(_Function[int]):  # noqa: N801 - a SQL function
    """`microseconds_between(later, earlier)` of two `Instant`s, exactly."""

    type = types.BigInteger()
    inherit_cache = True
    # Count whole days apart, because PostgreSQL 13 returns seconds as a float, which is exact only
    # within a day.
    postgresql = (
        f"(CAST(date_part('day', {_PERIOD}) AS BIGINT) * 86400000000"
        f" + CAST(date_part('epoch', {_PERIOD} - date_trunc('day', {_PERIOD})) * 1000000"
        " AS BIGINT))"
    )
    # Take the fraction of a second from the text, because SQLite would round it to milliseconds.
    sqlite = (
        "((strftime('%s', substr({0}, 1, 19)) - strftime('%s', substr({1}, 1, 19))) * 1000000"
        " + (substr({0}, 21, 6) - substr({1}, 21, 6)))"
    )


class day_of(_Function[date]):  # noqa: N801 - a SQL function
    """`day_of(moment)`: the date of an `Instant` in UTC."""

    type = Day()
    inherit_cache = True
    postgresql = "CAST({0} AT TIME ZONE 'UTC' AS DATE)"
    sqlite = "substr({0}, 1, 10)"


class midnight(_Function[datetime]):  # noqa: N801 - a SQL function
    """`midnight(day)`: the `Instant` at which a date begins in UTC."""

    type = Instant()
    inherit_cache = True
    postgresql = "(CAST({0} AS TIMESTAMP) AT TIME ZONE 'UTC')"
    sqlite = "({0} || 'T00:00:00.000000+00:00')"


class payload_field(_Function[Any]):  # noqa: N801 - a SQL function
    """`payload_field(events.c.payload, 'size_bytes')`: a field of a JSON object, an integer unless
    another type is given; null if the object does not have the field.
    """

    inherit_cache = False

    def __init__(
        self, payload: ColumnElement[Any], field: str, type_: TypeEngine[Any] | None = None
    ) -> None:
        self.type = type_ if type_ is not None else types.BigInteger()
        self.postgresql = f"CAST({{0}} ->> '{field}' AS {self.type})"
        self.sqlite = f"json_extract({{0}}, '$.{field}')"
        super().__init__(payload)


def register_functions(connection: sqlite3.Connection) -> None:
    """Register the functions that SQLite lacks on a connection."""
    connection.create_function("plus_product", 3, _plus_product, deterministic=True)
    connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]


def _plus_product(total: str, a: int, b: int) -> str:
    return str(int(total) + int(a) * int(b))


class _ExactSum:
    def __init__(self) -> None:
        self._total: int | None = None

    def step(self, value: str | int | None) -> None:
        if value is not None:
            self._total = (self._total or 0) + int(value)

    def finalize(self) -> str | None:
        return str(self._total) if self._total is not None else None
