"""catactl part upload"""

import os
from contextlib import suppress
from typing import Annotated

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import (
    CONTENT,
    EXPECTED_VERSION,
    WRITES,
    FileArgument,
    OrgArgument,
    PartNumberArgument,
)
from catactl.operations.arguments import canonical_name
from catactl.results.files import PartWritten
from catactl.values.numbers import parse_part_number


@command(WRITES, CONTENT, EXPECTED_VERSION, grows=True)
def upload(
    context: Context,
    org: OrgArgument,
    file: FileArgument,
    number: PartNumberArgument,
    path: Annotated[str, Argument(metavar="PATH", help="A file, or - (stdin).")],
) -> PartWritten:
    """Upload a part with its content. Repeating the command records nothing new, but restores lost
    content. Other content under the same number replaces the part.

    Example: catactl part upload acme data.bin 1 chunk-1
    """
    from catactl.cli.output.progress import Progress
    from catactl.content import stream_source
    from catactl.content.own_files import check_not_own, find_own_files
    from catactl.content.paths import FoundFile
    from catactl.content.source import PART_READER, Item
    from catactl.content.stream_source import STANDARD_INPUT, StandardInput
    from catactl.content.upload_part import upload_part

    part_number = parse_part_number(number)
    request = {"command": "part.upload", "file": canonical_name(file), "number": part_number}
    intent = context.intent(org, lambda: request)
    org_id = context.organization_id(intent, is_read=False)
    if not intent.dry_run:
        context.keep_reserve()
    item: Item
    size_bytes = None
    if path == STANDARD_INPUT:
        item = StandardInput(path, stream_source.DESCRIPTOR)
    else:
        check_not_own(path, find_own_files(context.engine.url, context.blobs))
        item = FoundFile(path, path, follow_links=True, reader=PART_READER)
        with suppress(OSError, ValueError):  # the upload raises the error
            size_bytes = os.stat(path).st_size
    with Progress(context, "uploading", "byte", size_bytes, files=1) as progress:
        return upload_part(
            context.handler, context.blobs, org_id, file, part_number, item, intent, progress
        )
