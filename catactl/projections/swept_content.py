"""The digests of swept content, with the generation in which later uploads store its content."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Connection, select

from catactl.domain.decider import Event
from catactl.domain.organization import OrganizationContentSwept
from catactl.projections.projection import DecodedEvent, Rows
from catactl.store.sql.bulk import batched
from catactl.store.sql.upsert import Upsert
from catactl.store.tables import swept_content

NAME = "swept_content"
TABLE = swept_content
LISTENS: tuple[type[Event], ...] = (OrganizationContentSwept,)
_UPSERT = Upsert(swept_content)


def fold(rows: Rows, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
    """Set the row of each digest to its latest generation."""
    for _, event in events:
        assert isinstance(event, OrganizationContentSwept)
        for sha256, generation in event.generations.items():
            rows[sha256] = {"org_id": org_id, "sha256": sha256, "generation": generation}


def apply(conn: Connection, org_id: UUID, events: Sequence[DecodedEvent]) -> None:
    rows: Rows = {}
    fold(rows, org_id, events)
    for row in rows.values():
        _UPSERT.write(conn, row)


def generations(
    conn: Connection, org_id: UUID, digests: Collection[str] | None = None
) -> dict[str, int]:
    """Return the generations of the given digests, or of all. A missing digest has generation 0."""
    query = select(swept_content.c.sha256, swept_content.c.generation).where(
        swept_content.c.org_id == org_id
    )
    if digests is None:
        return {row.sha256: row.generation for row in conn.execute(query)}
    found: dict[str, int] = {}
    for batch in batched(digests):
        rows = conn.execute(query.where(swept_content.c.sha256.in_(batch)))
        found |= {row.sha256: row.generation for row in rows}
    return found
