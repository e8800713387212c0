"""Which content was swept, and the generation that content of its digest is stored in since."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.domain.decider import Event
from catactl.domain.organization import OrganizationContentSwept
from catactl.projections.projection import Columns, DecodedEvent, Rows, Upsert
from catactl.store.tables import swept_content

NAME = "swept_content"
TABLE = swept_content
LISTENS: tuple[type[Event], ...] = (OrganizationContentSwept,)
_AT_ONCE = 500


def _replace(new: Columns, _present: Columns) -> Mapping[str, Any]:
    return {"generation": new["generation"]}


_UPSERT = Upsert(swept_content, _replace)


def fold(rows: Rows, org_id: UUID, happened: Sequence[DecodedEvent]) -> None:
    """Set the row of each digest to its latest generation."""
    for _, event in happened:
        assert isinstance(event, OrganizationContentSwept)
        for sha256, generation in event.generations.items():
            rows[sha256] = {"org_id": org_id, "sha256": sha256, "generation": generation}


def apply(conn: Connection, org_id: UUID, happened: Sequence[DecodedEvent]) -> None:
    rows: Rows = {}
    fold(rows, org_id, happened)
    for row in rows.values():
        _UPSERT.write(conn, row)


def generations(
    conn: Connection, org_id: UUID, digests: Collection[str] | None = None
) -> dict[str, int]:
    """Return the generations of those digests, or of all, that are not 0."""
    query = select(swept_content.c.sha256, swept_content.c.generation).where(
        swept_content.c.org_id == org_id
    )
    if digests is None:
        return {row.sha256: row.generation for row in conn.execute(query)}
    wanted, found = list(digests), dict[str, int]()
    for first in range(0, len(wanted), _AT_ONCE):
        some = query.where(swept_content.c.sha256.in_(wanted[first : first + _AT_ONCE]))
        found |= {row.sha256: row.generation for row in conn.execute(some)}
    return found
