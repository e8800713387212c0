"""catactl db"""

import typer

from catactl.cli.leaf import leaf
from catactl.cli.run import Run
from catactl.cli.shapes import SCHEMA
from catactl.errors import SchemaMismatch
from catactl.store import schema
from catactl.store.tables import SCHEMA_REVISION

app = typer.Typer()


@leaf(app)
def upgrade(run: Run) -> None:
    """Create or migrate the schema, in one transaction. Safe to run again and twice at once.

    Example: catactl db upgrade --database-url postgresql://admin@db.example.com/catacloud
    """
    engine = run.open()
    schema.upgrade(engine)
    _show(run, schema.check(engine))


@leaf(app)
def current(run: Run) -> None:
    """Show the revision the database's schema is at, and the one this catactl needs.

    Example: catactl db current
    """
    _show(run, schema.check(run.open()))


@leaf(app)
def check(run: Run) -> None:
    """Exit 0 when the schema is the one this catactl needs, 78 otherwise.

    Example: catactl db check || catactl db upgrade
    """
    revision = schema.check(run.open())
    _show(run, revision)
    if revision != SCHEMA_REVISION:
        raise SchemaMismatch("the database's schema is not at head", "catactl db upgrade")


def _show(run: Run, revision: str | None) -> None:
    row = {"revision": revision, "head": SCHEMA_REVISION, "ok": revision == SCHEMA_REVISION}
    run.output.show(row, SCHEMA)
