"""What a command led to, from the events it recorded: command -> event -> saga -> command -> event
-> projection.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from catactl.cli.output.text import shown
from catactl.store.canonical_json import format_instant
from catactl.store.event_log import StoredEvent
from catactl.wiring import flow


class Step(NamedTuple):
    """An event, the command that gave it, and what led to that: nothing for the first command."""

    recorded: StoredEvent
    command: str
    saga: str | None
    cause: StoredEvent | None


def steps(events: Sequence[StoredEvent]) -> Iterator[Step]:
    """Yield the events of whole commands in order."""
    by_id = {recorded.event_id: recorded for recorded in events}
    given: dict[UUID, list[StoredEvent]] = defaultdict(list)
    for recorded in events:
        given[recorded.command_id].append(recorded)
    for recorded in events:
        command = flow.command_leading_to(*(type(e.event) for e in given[recorded.command_id]))
        cause = by_id.get(recorded.causation_id) if recorded.causation_id is not None else None
        saga = flow.saga_between(type(cause.event), command).name if cause is not None else None
        yield Step(recorded, flow.command_name(command), saga, cause)


def draw(events: Sequence[StoredEvent], say: Callable[[StoredEvent], str]) -> Iterator[str]:
    """Draw the events of one command; `say` tells what is to be known of each."""
    children: dict[UUID | None, list[Step]] = defaultdict(list)
    for step in steps(events):
        children[step.recorded.causation_id].append(step)

    def below(step: Step, indent: str) -> Iterator[str]:
        recorded = step.recorded
        yield shown(f"{indent}└─ event {recorded.position} {recorded.type} {say(recorded)}")
        projections = flow.projections_of(type(recorded.event))
        answers = children[recorded.event_id]
        for index, projection in enumerate(projections, start=1):
            last = index == len(projections) and not answers
            yield f"{indent}   {'└─' if last else '├─'} view {projection.NAME}"
        for answer in answers:
            yield f"{indent}   └─ saga {answer.saga} ─ command {answer.command}"
            yield from below(answer, f"{indent}      ")

    root = events[0]
    yield shown(
        f"command {children[None][0].command}"
        f" by {root.actor} at {format_instant(root.recorded_at)}"
        + (f": {root.reason}" if root.reason else "")
    )
    for step in children[None]:
        yield from below(step, "")
