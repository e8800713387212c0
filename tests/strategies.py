"""Hypothesis strategies: every event that can be stored, and JSON that hashes the same."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st

from catactl.domain.decider import Event
from catactl.domain.job_configuration import JobSpec
from catactl.store.codec import EVENT_NAMES

# What `check_text` lets into a payload, and JSONB takes: no NUL, no surrogates.
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)
INTEGERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1, 2**53 + 1, 2**63 - 1])
)
INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 2),  # noqa: DTZ001 - bounds are naive, by Hypothesis' own rule
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)

SPECS = st.builds(
    JobSpec,
    name=TEXT,
    image=TEXT,
    command=st.none() | TEXT,
    env=st.dictionaries(TEXT, TEXT, max_size=4),
    cpu_millis=st.none() | INTEGERS,
    memory_bytes=st.none() | INTEGERS,
    timeout_seconds=st.none() | INTEGERS,
    schedule=st.none() | TEXT,
    inputs=st.lists(st.uuids(), max_size=4).map(tuple),
)


def _of_type(hint: Any, integers: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    if get_origin(hint) in {Union, UnionType}:
        return st.one_of([_of_type(each, integers) for each in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(_of_type(get_args(hint)[0], integers), max_size=4).map(tuple)
    if get_origin(hint) is Mapping:
        keys, values = (_of_type(each, integers) for each in get_args(hint))
        return st.dictionaries(keys, values, max_size=4)
    known: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: integers,
        bool: st.booleans(),
        UUID: st.uuids(),
        datetime: INSTANTS,
        JobSpec: SPECS,
        type(None): st.none(),
    }
    return known[hint]


def events_of(
    cls: type[Event], integers: st.SearchStrategy[int] = INTEGERS
) -> st.SearchStrategy[Event]:
    """Events of a class, each field with any value of its type."""
    fields = {name: _of_type(hint, integers) for name, hint in get_type_hints(cls).items()}
    return st.builds(cls, **fields)


EVENTS: st.SearchStrategy[Event] = st.one_of([events_of(cls) for cls in EVENT_NAMES])
