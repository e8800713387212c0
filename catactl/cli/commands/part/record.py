"""catactl part record"""

from typing import Annotated

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import (
    EXPECTED_VERSION,
    WRITES,
    FileArgument,
    OrgArgument,
    PartNumberArgument,
)
from catactl.operations.files import record_part
from catactl.results.files import PartWritten
from catactl.values.numbers import parse_part_number
from catactl.values.sizes import parse_size


@command(WRITES, EXPECTED_VERSION, grows=True)
def record(
    context: Context,
    org: OrgArgument,
    file: FileArgument,
    number: PartNumberArgument,
    size: Annotated[str, Option("--size", metavar="BYTES", help="Size of the part.")],
    sha256: Annotated[str, Option("--sha256", metavar="HEX", help="SHA-256 digest of the part.")],
) -> PartWritten:
    """Record a part whose content is stored elsewhere. Repeating the command changes nothing. Other
    content under the same number replaces the part.

    Example: catactl part record acme data.bin 1 --size 1048576 --sha256 "$DIGEST"
    """
    return context.write(
        record_part,
        org,
        file=file,
        number=parse_part_number(number),
        size_bytes=parse_size(size),
        sha256=sha256,
    )
