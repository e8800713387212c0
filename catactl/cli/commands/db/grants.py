"""catactl db grants"""

from typing import Annotated

from typer import Argument, Option

from catactl.cli.framework.command import Context, command
from catactl.cli.output.text import shown
from catactl.errors import InvalidValue
from catactl.results.program import Grants
from catactl.results.result import Text
from catactl.store.grants import statements


@command()
def grants(
    context: Context,
    role: Annotated[str, Argument(metavar="ROLE", help="An existing PostgreSQL role.")],
    in_schema: Annotated[
        str, Option("--schema", metavar="NAME", help="Schema that contains catactl's tables.")
    ] = "public",
) -> Text[Grants]:
    """Print the SQL that lets a PostgreSQL role run every command except `db upgrade`. The role can
    add events, but cannot change or delete them.

    The command does not connect to a database. The owner of the tables runs the SQL with psql, and
    runs it again after each upgrade. See `catactl help postgresql`.

    Example: catactl db grants app | psql -v ON_ERROR_STOP=1 "$OWNER_URL"
    """
    for noun, name in (("role", role), ("schema", in_schema)):
        if not name or shown(name) != name:
            raise InvalidValue(f"{name!r} is not a valid name of a {noun}")
    if role == "public":
        raise InvalidValue("in PostgreSQL, 'public' means every role", "name one role")
    written = statements(role, in_schema)
    return Text(written, {"role": role, "statements": written})
