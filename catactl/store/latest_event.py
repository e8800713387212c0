"""Select the last event of each group, for example of each part."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import Subquery

from catactl.store.tables import events


def latest_event(partition: Sequence[ColumnElement[Any]], *columns: Any, where: Any) -> Subquery:
    """Return a subquery for columns of the last event, by position, of each group of events that
    share the values of `partition`.
    """
    rank = func.row_number().over(partition_by=partition, order_by=events.c.position.desc())
    ranked = select(*columns, rank.label("rank")).where(where).subquery()
    return select(*(c for c in ranked.c if c.name != "rank")).where(ranked.c.rank == 1).subquery()
