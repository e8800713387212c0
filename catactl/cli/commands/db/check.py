"""catactl db check"""

from catactl.cli.commands.db import schema_revision
from catactl.cli.framework.command import Context, command
from catactl.errors import SchemaMismatch
from catactl.results.program import SchemaRevision
from catactl.results.result import WithError
from catactl.store import migrations


@command()
def check(context: Context) -> WithError[SchemaRevision]:
    """Exit with 0 if the database has the schema that this catactl needs, otherwise with 78.

    Example: catactl db check || catactl db upgrade
    """
    revision = schema_revision(migrations.check(context.database))
    error = SchemaMismatch("the database's schema is not at head", "catactl db upgrade")
    return WithError(revision, None if revision["ok"] else error)
