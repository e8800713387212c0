"""catactl file create"""

from typing import Annotated

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import EXPECTED_VERSION, WRITES, IfNotExists, OrgArgument
from catactl.operations.files import create_file
from catactl.results.files import FileWritten


@command(WRITES, EXPECTED_VERSION, grows=True)
def create(
    context: Context,
    org: OrgArgument,
    name: Annotated[
        str, Argument(metavar="NAME", help="A relative path, unique among live files.")
    ],
    if_not_exists: IfNotExists = False,
) -> FileWritten:
    """Create a file without parts.

    Example: catactl file create acme reports/2026.csv
    """
    return context.write(create_file, org, name=name, if_not_exists=if_not_exists)
