"""catactl file show"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import AsOf, AtVersion, FileArgument, OrgArgument
from catactl.cli.framework.past_names import organization_at
from catactl.queries.files import get_file
from catactl.results.files import FileResult
from catactl.store import name_lookup


@command()
def show(
    context: Context,
    org: OrgArgument,
    file: FileArgument,
    as_of: AsOf = None,
    at_version: AtVersion = None,
) -> FileResult:
    """Show a file, now or in the past. A name means the live file, or otherwise the file of that
    name that was deleted last. With --as-of, names mean the organization and the file that had them
    at that time.

    Example: catactl file show acme reports/2026.csv
    """
    point = context.point(as_of, at_version)
    with context.reading() as conn:
        org_id = organization_at(context, conn, org, point)
        if point is None:
            return get_file(conn, org_id, name_lookup.resolve_file(conn, org_id, file))
        from catactl.queries import as_of as past

        return past.file(conn, org_id, past.find_file(conn, org_id, file, point), point)
