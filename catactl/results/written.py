"""The fields that every write returns besides the resource."""

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from catactl.handling.unit_of_work import Outcome, UnitOfWork


class Written(TypedDict):
    """The log's position after a write, and the types of the events that it added."""

    position: int
    events: list[str]
    dry_run: NotRequired[bool]


def written(outcome: "Outcome") -> Written:
    """Return the fields that every write adds to its resource."""
    result: Written = {
        "position": outcome.position,
        "events": [event.type for event in outcome.events],
    }
    if outcome.dry_run:
        result["dry_run"] = True
    return result


def without_events(unit: "UnitOfWork") -> Written:
    """Return the fields that a write adds to its resource when it added no events."""
    result: Written = {"position": unit.head.position, "events": []}
    if unit.intent.dry_run:
        result["dry_run"] = True
    return result
