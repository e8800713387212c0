"""Draw the effects of a command: events, projections, and the commands that sagas sent."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from catactl.cli.output.text import shown
from catactl.store.canonical_json import format_instant
from catactl.store.event_log import StoredEvent
from catactl.wiring import flow


class CausedEvent(NamedTuple):
    """An event with the name of its command. If a saga sent the command, also the name of the saga
    and the event that it reacted to.
    """

    stored: StoredEvent
    command: str
    saga: str | None
    cause: StoredEvent | None


def caused_events(events: Sequence[StoredEvent]) -> Iterator[CausedEvent]:
    """Yield the events of complete commands, in order."""
    by_id = {stored.event_id: stored for stored in events}
    types: dict[UUID, list[type]] = defaultdict(list)
    for stored in events:
        types[stored.command_id].append(type(stored.event))
    for stored in events:
        command = flow.command_leading_to(*types[stored.command_id])
        cause = by_id.get(stored.causation_id) if stored.causation_id is not None else None
        saga = flow.saga_between(type(cause.event), command).name if cause is not None else None
        yield CausedEvent(stored, flow.command_name(command), saga, cause)


def draw_tree(
    events: Sequence[StoredEvent], describe: Callable[[StoredEvent], str]
) -> Iterator[str]:
    """Yield the lines of a tree of the events of one command, each with its description."""
    children: dict[UUID | None, list[CausedEvent]] = defaultdict(list)
    for caused in caused_events(events):
        children[caused.stored.causation_id].append(caused)

    def branch(caused: CausedEvent, indent: str) -> Iterator[str]:
        stored = caused.stored
        yield shown(f"{indent}└─ event {stored.position} {stored.type} {describe(stored)}")
        projections = flow.projections_of(type(stored.event))
        reactions = children[stored.event_id]
        for index, projection in enumerate(projections, start=1):
            is_last = index == len(projections) and not reactions
            yield f"{indent}   {'└─' if is_last else '├─'} view {projection.NAME}"
        for reaction in reactions:
            yield f"{indent}   └─ saga {reaction.saga} ─ command {reaction.command}"
            yield from branch(reaction, f"{indent}      ")

    root = events[0]
    reason = f": {root.reason}" if root.reason else ""
    command = children[None][0].command
    yield shown(f"command {command} by {root.actor} at {format_instant(root.recorded_at)}{reason}")
    for caused in children[None]:
        yield from branch(caused, "")
