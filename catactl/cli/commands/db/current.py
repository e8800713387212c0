"""catactl db current"""

from catactl.cli.commands.db import schema_revision
from catactl.cli.framework.command import Context, command
from catactl.results.program import SchemaRevision
from catactl.store import migrations


@command()
def current(context: Context) -> SchemaRevision:
    """Show the revision of the database's schema, and the one that this catactl needs.

    Example: catactl db current
    """
    return schema_revision(migrations.check(context.database))
