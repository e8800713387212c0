"""The commands `catactl db …`, and the result that several of them print."""

from catactl.results.program import SchemaRevision
from catactl.store.tables import SCHEMA_REVISION


def schema_revision(revision: str | None) -> SchemaRevision:
    return {"revision": revision, "head": SCHEMA_REVISION, "ok": revision == SCHEMA_REVISION}
