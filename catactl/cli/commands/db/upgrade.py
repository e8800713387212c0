"""catactl db upgrade"""

from catactl.cli.commands.db import schema_revision
from catactl.cli.framework.command import Context, command
from catactl.results.program import SchemaRevision
from catactl.store import migrations


@command()
def upgrade(context: Context) -> SchemaRevision:
    """Create or migrate the schema in one transaction. The command can run repeatedly and
    concurrently.

    Example: catactl db upgrade --database-url postgresql://admin@db.example.com/catacloud
    """
    migrations.upgrade(context.database)
    return schema_revision(migrations.check(context.database))
