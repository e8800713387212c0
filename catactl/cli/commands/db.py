"""catactl db"""

from typing import Annotated

import typer

from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.output.text import shown
from catactl.errors import InvalidValue, SchemaMismatch
from catactl.results.shapes import SCHEMA, Shape
from catactl.store import migrations
from catactl.store.grants import statements
from catactl.store.tables import SCHEMA_REVISION

app = typer.Typer()


@command(app)
def upgrade(run: Context) -> None:
    """Create or migrate the schema, in one transaction. Safe to run again and twice at once.

    Example: catactl db upgrade --database-url postgresql://admin@db.example.com/catacloud
    """
    engine = run.open()
    migrations.upgrade(engine)
    _show(run, migrations.check(engine))


@command(app)
def current(run: Context) -> None:
    """Show the revision the database's schema is at, and the one this catactl needs.

    Example: catactl db current
    """
    _show(run, migrations.check(run.open()))


@command(app)
def check(run: Context) -> None:
    """Exit 0 when the schema is the one this catactl needs, 78 otherwise.

    Example: catactl db check || catactl db upgrade
    """
    revision = migrations.check(run.open())
    _show(run, revision)
    if revision != SCHEMA_REVISION:
        raise SchemaMismatch("the database's schema is not at head", "catactl db upgrade")


@command(app)
def grants(
    run: Context,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A PostgreSQL role that exists.")],
    in_schema: Annotated[
        str, typer.Option("--schema", metavar="NAME", help="Where catactl's tables are.")
    ] = "public",
) -> None:
    """Print the SQL that lets a PostgreSQL role run every command but `db upgrade`, and neither
    change nor delete an event.

    Nothing is executed or connected to, whatever database is configured: who owns the tables gives
    it to psql, again after each upgrade.

    Example: catactl db grants app | psql -v ON_ERROR_STOP=1 "$OWNER_URL"
    """
    for what, name in (("role", role), ("schema", in_schema)):
        if not name or shown(name) != name:
            raise InvalidValue(f"{name!r} is no name of a {what}")
    if role == "public":
        raise InvalidValue("to PostgreSQL 'public' is every role", "name one role")
    written = statements(role, in_schema)
    if run.output.is_for_programs:
        run.output.show(
            {"role": role, "statements": written}, Shape("role", ("role", "statements"))
        )
    else:
        run.output.text("\n".join(written))


def _show(run: Context, revision: str | None) -> None:
    row = {"revision": revision, "head": SCHEMA_REVISION, "ok": revision == SCHEMA_REVISION}
    run.output.show(row, SCHEMA)
