"""The interface of an aggregate: `decide` returns a command's events, `evolve` applies an event.

Both are pure. The current time and new ids arrive inside the command, so the same command on the
same state always gives the same events. The interface is Jérémie Chassaing's decider.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, Never, TypeVar, dataclass_transform
from uuid import UUID

from catactl.errors import CorruptLog


@dataclass_transform(frozen_default=True)
class _Frozen:
    """Makes each subclass a frozen dataclass."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)


class Command(_Frozen):
    """A request to one stream. Each command is a frozen dataclass.

    A suspended organization refuses a command with `needs_active_organization`.
    """

    needs_active_organization: ClassVar[bool] = False


class Event(_Frozen):
    """A fact in one stream. Each event is a frozen dataclass."""


S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Decider(Generic[S, C, E]):
    """The two functions of an aggregate. `None` is the state of a stream without events."""

    decide: Callable[[S | None, C], list[E]]
    evolve: Callable[[S | None, E], S]


class EventEnvelope(NamedTuple):
    """An event with its organization and stream. Sagas receive nothing else."""

    org_id: UUID
    stream_id: UUID
    event: Event


class CommandEnvelope(NamedTuple):
    """A command with the stream that it is sent to. Sagas return these."""

    stream_id: UUID
    command: Command


def fast_replace(state: S, **changes: object) -> S:
    """Return a copy of a frozen dataclass with other values for some fields.

    It is faster than `dataclasses.replace`, which examines every field. `evolve` calls it for every
    event.
    """
    after = object.__new__(type(state))
    after.__dict__.update(state.__dict__)
    after.__dict__.update(changes)
    return after


def wrong_stream(event: Never) -> CorruptLog:
    """Return the error for an event in a stream of another aggregate, which only a manual change of
    the database can cause. The type checker verifies that an aggregate handles all events of its
    own.
    """
    message = f"event {type(event).__name__} in a stream of another kind"
    return CorruptLog(message, "catactl event verify")


def fold(decider: Decider[S, C, E], state: S | None, events: Iterable[E]) -> S | None:
    """Return the state after the events, which are given oldest first."""
    for event in events:
        state = decider.evolve(state, event)
    return state
