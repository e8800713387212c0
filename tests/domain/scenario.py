"""Given events, when a command arrives, then it is refused or other events follow."""

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
        """Expect exactly these events, and that they can be applied to the state."""
        events = self.decider.decide(self.state, self.command)
        assert events == list(expected)
        fold(self.decider, self.state, events)

    def then_nothing(self) -> None:
        """Expect no events."""
        self.then()

    def then_refused(self, error: type[CatactlError], message: str) -> None:
        """Expect exactly this error, not a subclass, with `message` in its message."""
        with pytest.raises(error, match=message) as raised:
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
