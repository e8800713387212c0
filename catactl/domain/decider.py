"""The shape every aggregate has: `decide` says what happens, `evolve` says what then is.

Both are pure. The clock and new ids arrive inside the command, so the same command on the same
state always gives the same events. The shape is Jérémie Chassaing's decider.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, Never, TypeVar
from uuid import UUID

from catactl.errors import CorruptLog


class Command:
    """A request to one stream. `adds` marks those that add to what an organization holds."""

    adds: ClassVar[bool] = False


class Event:
    """A fact in one stream."""


S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Decider(Generic[S, C, E]):
    """`None` is the state of a stream without events."""

    decide: Callable[[S | None, C], list[E]]
    evolve: Callable[[S | None, E], S]


class EventEnvelope(NamedTuple):
    """An event together with where it happened: all that a saga gets to see."""

    org_id: UUID
    stream_id: UUID
    event: Event


class CommandEnvelope(NamedTuple):
    """A command together with the stream it goes to: all that a saga gets to send."""

    stream_id: UUID
    command: Command


def changed(state: S, **changes: object) -> S:
    """Return a frozen dataclass with other values for some fields: `dataclasses.replace` without a
    look at each field, for what happens at every event.
    """
    after = object.__new__(type(state))
    after.__dict__.update(state.__dict__)
    after.__dict__.update(changes)
    return after


def misplaced(event: Never) -> CorruptLog:
    """Return the error for an event in a stream of another aggregate, which only a manual change
    can cause. The type checker proves that events of the aggregate itself never get here.
    """
    message = f"event {type(event).__name__} in a stream of another kind"
    return CorruptLog(message, "catactl event verify")


def fold(decider: Decider[S, C, E], state: S | None, events: Iterable[E]) -> S | None:
    """Return the state after the events, oldest first."""
    for event in events:
        state = decider.evolve(state, event)
    return state
