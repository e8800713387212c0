"""catactl file restore"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, FileArgument, OrgArgument
from catactl.operations.files import restore_file
from catactl.results.files import FileWritten


@command(WRITES, EXPECTED_VERSION)
def restore(context: Context, org: OrgArgument, file: FileArgument) -> FileWritten:
    """Restore a deleted file, unless `blob gc` removed its content. Its bytes count again, so the
    quota must have room for them.

    Example: catactl file restore acme reports/2025.csv
    """
    return context.write(restore_file, org, file=file)
