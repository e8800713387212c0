"""SQL functions return the same values on both databases as Python."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import Engine, literal, select

from catactl.store.sql.engine import reading
from catactl.store.sql.functions import (
    day_of,
    exact_sum,
    microseconds_between,
    midnight,
    plus_product,
)
from catactl.store.sql.types import Day, ExactInteger, Instant
from catactl.values.times import microseconds

_NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
_MOMENTS = [
    _NOON,
    _NOON + timedelta(microseconds=999_999),
    _NOON + timedelta(microseconds=999_500),
    _NOON + timedelta(hours=12, microseconds=-1),
    datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1),
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.mark.parametrize("later", _MOMENTS)
def test_the_time_between_two_moments_is_exact(engine: Engine, later: datetime) -> None:
    columns = [
        microseconds_between(literal(later, Instant), literal(earlier, Instant))
        for earlier in _MOMENTS
    ]
    with reading(engine) as conn:
        row = conn.execute(select(*columns)).one()
    assert list(row) == [microseconds(later - earlier) for earlier in _MOMENTS]


@pytest.mark.parametrize("moment", _MOMENTS)
def test_a_moment_has_a_day_and_a_day_has_a_midnight(engine: Engine, moment: datetime) -> None:
    columns = day_of(literal(moment, Instant)), midnight(literal(moment.date(), Day))
    with reading(engine) as conn:
        day, beginning = conn.execute(select(*columns)).one()
    assert (day, beginning) == (moment.date(), datetime.combine(day, time(), UTC))
    assert isinstance(day, date)


def test_products_and_sums_do_not_overflow(engine: Engine) -> None:
    large = 2**62
    product = plus_product(literal(1, ExactInteger), literal(large), literal(large))
    rows = select(product.label("product")).union_all(select(product)).subquery()
    with reading(engine) as conn:
        (total,) = conn.execute(select(exact_sum(rows.c.product))).one()
    assert total == 2 * (large * large + 1)
