"""catactl part list"""

from collections.abc import Iterator

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import FileArgument, OrgArgument
from catactl.queries.files import list_parts
from catactl.results.files import ListedPart
from catactl.store import name_lookup


@command()
def list_(context: Context, org: OrgArgument, file: FileArgument) -> Iterator[ListedPart]:
    """List a file's parts.

    Example: catactl part list acme data.bin
    """
    conn = context.snapshot
    org_id = name_lookup.resolve_organization(conn, org)
    return list_parts(conn, org_id, name_lookup.resolve_file(conn, org_id, file))
