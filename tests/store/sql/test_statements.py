"""Rows are streamed while the query runs."""

from contextlib import closing
from itertools import islice

import psycopg
import pytest
from sqlalchemy import Engine, literal_column, select

from catactl.store.sql import statements
from catactl.store.sql.engine import reading

_MANY = 3_000
_numbers = select(literal_column("1").label("number")).cte("numbers", recursive=True)
_numbers = _numbers.union_all(select(_numbers.c.number + 1).where(_numbers.c.number < _MANY))
_NUMBERS = select(_numbers.c.number).order_by(_numbers.c.number)


@pytest.mark.parametrize("in_chunks", [True, False])
def test_rows_are_streamed_in_order(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, in_chunks: bool
) -> None:
    monkeypatch.setattr(psycopg.capabilities, "has_stream_chunked", lambda check=False: in_chunks)
    with reading(engine) as conn:
        for _ in range(2):
            assert list(statements.stream(conn, _NUMBERS)) == [(n,) for n in range(1, _MANY + 1)]


def test_a_stream_may_be_closed_before_the_last_row(engine: Engine) -> None:
    for _ in range(2):
        with reading(engine) as conn, closing(statements.stream(conn, _NUMBERS)) as rows:
            assert list(islice(rows, 2)) == [(1,), (2,)]
