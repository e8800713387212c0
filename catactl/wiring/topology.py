"""Print the tables of `flow`. This module names no command or event, so it needs no changes."""

from collections.abc import Iterator
from typing import Any

from catactl.domain.decider import Command, Event
from catactl.store.codec import EVENT_NAMES
from catactl.wiring import flow
from catactl.wiring.flow import command_name


def as_document() -> dict[str, Any]:
    """Return the aggregates, commands, events, sagas and projections as a JSON object."""
    return {
        "aggregates": [
            {
                "name": aggregate.name,
                "commands": [
                    {"name": command_name(command), "events": [EVENT_NAMES[e] for e in events]}
                    for command, events in aggregate.commands.items()
                ],
            }
            for aggregate in flow.AGGREGATES
        ],
        "sagas": [
            {
                "name": saga.name,
                "listens": [EVENT_NAMES[event] for event in saga.listens],
                "sends": [command_name(command) for command in saga.sends],
            }
            for saga in flow.SAGAS
        ],
        "views": [
            {"name": each.NAME, "listens": [EVENT_NAMES[event] for event in flow.listens(each)]}
            for each in flow.PROJECTIONS
        ],
    }


def as_tree() -> Iterator[str]:
    """Yield a tree for each command that people send, with all its possible effects."""
    from_sagas = {command for saga in flow.SAGAS for command in saga.sends}
    for aggregate in flow.AGGREGATES:
        yield aggregate.name
        roots = [command for command in aggregate.commands if command not in from_sagas]
        for index, command in enumerate(roots):
            yield from _command(command, "", index == len(roots) - 1, "command")


def as_mermaid() -> Iterator[str]:
    """Yield the tables as a Mermaid flow chart."""
    yield "flowchart LR"
    for aggregate in flow.AGGREGATES:
        for command, events in aggregate.commands.items():
            for event in events:
                source = f'{command.__name__}["{command_name(command)}"]'
                yield f"  {source} -->|{aggregate.name}| {_event_node(event)}"
    for saga in flow.SAGAS:
        for event in saga.listens:
            yield f'  {_event_node(event)} --> saga_{saga.name}{{{{"{saga.name}"}}}}'
        for command in saga.sends:
            yield f'  saga_{saga.name} --> {command.__name__}["{command_name(command)}"]'
    for projection in flow.PROJECTIONS:
        name = projection.NAME
        for event in flow.listens(projection):
            yield f'  {_event_node(event)} --> view_{name}[("{name}")]'


def _event_node(event: type[Event]) -> str:
    return f'{event.__name__}(["{EVENT_NAMES[event]}"])'


def _command(command: type[Command], indent: str, last: bool, label: str) -> Iterator[str]:
    branch, below = ("└─", "   ") if last else ("├─", "│  ")
    yield f"{indent}{branch} {label} {command_name(command)}"
    events = flow.events_of(command)
    for index, event in enumerate(events):
        yield from _event(event, indent + below, index == len(events) - 1)


def _event(event: type[Event], indent: str, last: bool) -> Iterator[str]:
    branch, below = ("└─", "   ") if last else ("├─", "│  ")
    yield f"{indent}{branch} event {EVENT_NAMES[event]}"
    projections = flow.projections_of(event)
    reactions = [(saga, command) for saga in flow.sagas_of(event) for command in saga.sends]
    for index, projection in enumerate(projections):
        end = index == len(projections) - 1 and not reactions
        yield f"{indent}{below}{'└─' if end else '├─'} view {projection.NAME}"
    for index, (saga, command) in enumerate(reactions):
        end = index == len(reactions) - 1
        yield from _command(command, indent + below, end, f"saga {saga.name} ─ command")
