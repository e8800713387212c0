"""catactl file list"""

from collections.abc import Iterator

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArgument, WithDeleted
from catactl.queries.files import list_files
from catactl.results.files import FileResult
from catactl.store import name_lookup


@command()
def list_(context: Context, org: OrgArgument, deleted: WithDeleted = False) -> Iterator[FileResult]:
    """List an organization's files.

    Example: catactl file list acme
    """
    conn = context.snapshot
    org_id = name_lookup.resolve_organization(conn, org)
    return list_files(conn, org_id, deleted=deleted)
