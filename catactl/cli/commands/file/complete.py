"""catactl file complete"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, FileArgument, OrgArgument
from catactl.operations.files import complete_file
from catactl.results.files import FileWritten


@command(WRITES, EXPECTED_VERSION)
def complete(context: Context, org: OrgArgument, file: FileArgument) -> FileWritten:
    """Mark a file as complete. It then accepts no more parts. The numbers of its parts must be 1 to
    n without a gap.

    Example: catactl file complete acme reports/2026.csv
    """
    return context.write(complete_file, org, file=file)
