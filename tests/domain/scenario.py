"""Given these events, when this command arrives, then those events follow, or it is refused."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import pytest

from catactl.domain.decider import Command, Decider, Event, fold
from catactl.errors import CatactlError

S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class When(Generic[S, C, E]):
    decider: Decider[S, C, E]
    state: S | None
    command: C

    def then(self, *expected: E) -> None:
        """Exactly these events, which the state can be evolved over."""
        events = self.decider.decide(self.state, self.command)
        assert events == list(expected)
        fold(self.decider, self.state, events)

    def then_nothing(self) -> None:
        """The command is satisfied already."""
        self.then()

    def then_refused(self, error: type[CatactlError], saying: str) -> None:
        """Exactly this error, no subclass of it, with this in its message."""
        with pytest.raises(error, match=saying) as raised:
            self.decider.decide(self.state, self.command)
        assert type(raised.value) is error


@dataclass(frozen=True)
class Given(Generic[S, C, E]):
    decider: Decider[S, C, E]
    events: tuple[E, ...]

    @property
    def state(self) -> S | None:
        return fold(self.decider, None, self.events)

    def when(self, command: C) -> When[S, C, E]:
        return When(self.decider, self.state, command)
