"""The interface of projections."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Connection, Table

from catactl.domain.decider import Event
from catactl.store.event_log import StoredEvent


class DecodedEvent(NamedTuple):
    """An event and its row."""

    stored: StoredEvent
    event: Event


# Rows by a key that the projection chooses, each a mapping of columns. A row may also hold values
# that are not columns but that `fold` needs for the next event.
Rows = dict[Any, dict[str, Any]]


class Projection(Protocol):
    """A table that `apply` updates in the command's transaction.

    `fold` defines the rows. Checks and rebuilds use only `fold`.
    """

    NAME: str
    TABLE: Table
    LISTENS: tuple[type[Event], ...]

    def fold(self, rows: Rows, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
        """Update an organization's rows with the given events, oldest first."""

    def apply(self, conn: Connection, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
        """Update the organization's stored rows with the given events, oldest first."""
