"""catactl file verify"""

from typing import Annotated
from uuid import UUID

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONTENT, OrgArgument
from catactl.cli.output.progress import Progress
from catactl.queries.files import list_files
from catactl.results.content import ContentProblem, VerifiedContent
from catactl.results.result import Report, WithError
from catactl.store import name_lookup


@command(CONTENT)
def verify(
    context: Context,
    org: OrgArgument,
    files: Annotated[
        list[str] | None,
        Argument(metavar="[FILE…]", help="Files, by name or id. [default: all live files]"),
    ] = None,
) -> WithError[Report[VerifiedContent, ContentProblem]]:
    """Read the content of files again and compare it with the log.

    The exit code is 6 if content is missing or damaged. The command does not check recorded parts,
    because their content is stored elsewhere.

    Example: catactl file verify acme reports/2026.csv
    """
    from catactl.cli.commands._verification import report
    from catactl.content.verify import verify_files

    with context.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        if files:
            ids = [name_lookup.resolve_file(conn, org_id, file) for file in dict.fromkeys(files)]
        else:
            ids = [UUID(row["file_id"]) for row in list_files(conn, org_id)]
    with Progress(context, "verifying", "byte") as progress:
        verification = verify_files(context.engine, context.blobs, org_id, ids, progress.advance)
    return report(context, verification, "part")
