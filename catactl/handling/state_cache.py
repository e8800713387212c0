"""States kept in memory from one transaction of a process to the next.

What others committed in the meantime is folded in under the lock, so what is remembered is never
stale; and it is only ever what was committed.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from catactl.store import event_log
from catactl.store.event_log import StreamEvent
from catactl.store.state_store import Stored
from catactl.wiring.flow import Aggregate

_ORGANIZATIONS = 16
_STREAMS = 64

Known = tuple[Aggregate, Stored[Any]]


@dataclass
class StateCache:
    """States of an organization's streams as they were committed at a position of its log."""

    position: int
    states: OrderedDict[UUID, Known] = field(default_factory=OrderedDict)

    def fold(self, later: Iterable[StreamEvent], position: int) -> None:
        """Bring the states up to a position, given all events since."""
        for each in later:
            known = self.states.get(each.stream_id)
            if known is not None:
                aggregate, stored = known
                state = aggregate.decider.evolve(stored.state, each.event)
                self.states[each.stream_id] = aggregate, Stored(state, each.version)
        self.position = position

    def after(self, written: Iterable[tuple[UUID, Known]], position: int) -> "StateCache":
        """Return another memory, of what a transaction knows once these states are written."""
        states = self.states.copy()
        for stream_id, known in written:
            states[stream_id] = known
            states.move_to_end(stream_id)
        while len(states) > _STREAMS:
            states.popitem(last=False)
        return StateCache(position, states)


class StateCaches:
    """The memories of the organizations that were used last."""

    def __init__(self) -> None:
        self._memories: OrderedDict[UUID, StateCache] = OrderedDict()

    def position(self, org_id: UUID) -> int | None:
        """Where an organization's log stood when it was remembered."""
        memory = self._memories.get(org_id)
        return memory.position if memory is not None else None

    def recall(self, org_id: UUID, later: list[StreamEvent], position: int) -> StateCache:
        """Return an organization's memory, brought up to where its log stands now."""
        memory = self._memories.get(org_id)
        if memory is None or memory.position > position or len(later) >= event_log.MANY_EVENTS:
            memory = StateCache(position)
        memory.fold(later, position)
        self.remember(org_id, memory)
        return memory

    def remember(self, org_id: UUID, memory: StateCache) -> None:
        """Keep an organization's memory: what it holds must be committed."""
        self._memories[org_id] = memory
        self._memories.move_to_end(org_id)
        if len(self._memories) > _ORGANIZATIONS:
            self._memories.popitem(last=False)

    def forget(self, org_ids: Iterable[UUID]) -> bool:
        """Load organizations' states afresh next time; return whether any were remembered."""
        forgotten = [self._memories.pop(org_id, None) for org_id in org_ids]
        return any(memory is not None and memory.states for memory in forgotten)
