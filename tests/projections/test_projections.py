"""All projections: `apply` writes the rows that `fold` defines."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from catactl.domain.decider import Event
from catactl.projections.projection import DecodedEvent, Projection, Rows
from catactl.store import codec
from catactl.store.event_log import StoredEvent
from catactl.store.sql.engine import writing
from catactl.store.state_store import in_order
from catactl.wiring.flow import PROJECTIONS
from tests.strategies import events_of
from tests.support import NOON, projection_rows

_ORG, _STREAMS = UUID(int=1), (UUID(int=2), UUID(int=3))
_INTEGERS = st.integers(0, 2**31 - 1)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.NAME)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_events_applied_one_by_one_give_the_rows_that_fold_defines(
    engine: Engine, projection: Projection, data: st.DataObject
) -> None:
    any_event = st.one_of([events_of(cls, _INTEGERS) for cls in projection.LISTENS])
    some = data.draw(st.lists(st.tuples(st.sampled_from(_STREAMS), any_event), min_size=1))
    hours = data.draw(st.sampled_from([0, 1, 30]))
    history = [
        _decoded(position, stream_id, event, NOON + timedelta(hours=hours) * position)
        for position, (stream_id, event) in enumerate(some * 2, 1)
    ]
    rows: Rows = {}
    projection.fold(rows, _ORG, history)
    with writing(engine) as conn:  # rolled back
        for each in history:
            projection.apply(conn, _ORG, [each])
        stored = projection_rows(conn, _ORG)[projection.NAME]
    assert sorted(stored) == sorted(in_order(projection.TABLE, row) for row in rows.values())


def _decoded(position: int, stream_id: UUID, event: Event, moment: datetime) -> DecodedEvent:
    name = codec.EVENT_NAMES[type(event)]
    stored = StoredEvent(
        org_id=_ORG,
        position=position,
        stream_id=stream_id,
        version=position,
        type=name,
        schema_version=codec.schema_version(name),
        payload=codec.encode(event),
        event_id=UUID(int=position),
        actor="tester",
        reason=None,
        command_id=UUID(int=position),
        correlation_id=UUID(int=position),
        causation_id=None,
        recorded_at=moment,
        hash=b"",
    )
    return DecodedEvent(stored, event)
