"""New ids rise with time and are random; ids are parsed in every spelling of a UUID."""

from datetime import timedelta
from itertools import islice
from uuid import UUID

import pytest

from catactl.values.ids import new_ids, parse_id
from tests.support import NOON


def test_ids_of_one_moment_rise_and_contain_the_moment() -> None:
    ids = list(islice(new_ids(NOON), 1_000))
    assert ids == sorted(set(ids))
    assert {id_.int >> 80 for id_ in ids} == {int(NOON.timestamp() * 1_000)}
    assert {(id_.version, id_.variant) for id_ in ids} == {(7, "specified in RFC 4122")}
    assert ids[-1] < next(new_ids(NOON + timedelta(milliseconds=1)))


def test_ids_begin_and_step_at_random() -> None:
    first, second = (list(islice(new_ids(NOON), 3)) for _ in range(2))
    assert not set(first) & set(second)
    assert first[1].int - first[0].int != first[2].int - first[1].int


_ID = "0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10"


@pytest.mark.parametrize(
    "text", [_ID, _ID.upper(), _ID.replace("-", ""), f"{{{_ID}}}", f"urn:uuid:{_ID}"]
)
def test_every_spelling_of_a_uuid_is_an_id(text: str) -> None:
    assert parse_id(text) == UUID(_ID)
    assert parse_id(text[:-3]) is None
