"""A cache of states, from one transaction of a process to the next.

It holds only committed states. Under the lock they are evolved over the events that others added
since, so they are never stale.
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

CachedState = tuple[Aggregate, Stored[Any]]


@dataclass
class StateCache:
    """States of an organization's streams as they were committed at a position of its log."""

    position: int
    states: OrderedDict[UUID, CachedState] = field(default_factory=OrderedDict)

    def after(self, written: Iterable[tuple[UUID, CachedState]], position: int) -> "StateCache":
        """Return a copy with the states that a transaction wrote."""
        states = self.states.copy()
        for stream_id, state in written:
            states[stream_id] = state
            states.move_to_end(stream_id)
        while len(states) > _STREAMS:
            states.popitem(last=False)
        return StateCache(position, states)


class StateCaches:
    """The caches of the organizations that were used last."""

    def __init__(self) -> None:
        self._caches: OrderedDict[UUID, StateCache] = OrderedDict()

    def position(self, org_id: UUID) -> int | None:
        """Return the position of an organization's log at which its states were cached."""
        cache = self._caches.get(org_id)
        return cache.position if cache is not None else None

    def recall(self, org_id: UUID, later: list[StreamEvent], position: int) -> StateCache:
        """Return an organization's cache, evolved to the present position of its log."""
        cache = self._caches.get(org_id)
        if cache is None or cache.position > position or len(later) >= event_log.MANY_EVENTS:
            return StateCache(position)
        for each in later:
            cached = cache.states.get(each.stream_id)
            if cached is not None:
                aggregate, stored = cached
                state = aggregate.decider.evolve(stored.state, each.event)
                cache.states[each.stream_id] = aggregate, Stored(state, each.version)
        cache.position = position
        return cache

    def remember(self, org_id: UUID, cache: StateCache) -> None:
        """Keep an organization's cache, which must hold committed states only."""
        self._caches[org_id] = cache
        self._caches.move_to_end(org_id)
        if len(self._caches) > _ORGANIZATIONS:
            self._caches.popitem(last=False)

    def forget(self, org_ids: Iterable[UUID]) -> bool:
        """Drop the caches of organizations; return whether any of them held a state."""
        forgotten = [self._caches.pop(org_id, None) for org_id in org_ids]
        return any(cache is not None and cache.states for cache in forgotten)
