"""catactl part"""

from typing import Annotated

import typer

from catactl.cli.commands.file import File
from catactl.cli.framework.command import Org, command
from catactl.cli.framework.context import Context
from catactl.queries import resources
from catactl.results.shapes import PART
from catactl.store import name_lookup
from catactl.values.numbers import parse_part_number
from catactl.values.sizes import parse_size

app = typer.Typer()

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="1 to 10,000.")]


@command(app, writes=True, grows=True, versioned=True)
def record(
    run: Context,
    org: Org,
    file: File,
    number: Number,
    size: Annotated[str, typer.Option("--size", metavar="BYTES", help="Its size.")],
    sha256: Annotated[str, typer.Option("--sha256", metavar="HEX", help="Its digest.")],
) -> None:
    """Record a part whose content is kept elsewhere. The same again changes nothing; other content
    under the same number replaces it.

    Example: catactl part record acme data.bin 1 --size 1048576 --sha256 "$DIGEST"
    """
    arguments = {
        "file": file,
        "number": parse_part_number(number),
        "size_bytes": parse_size(size),
        "sha256": sha256,
    }
    run.output.show(run.write("part.record", org, arguments), PART)


@command(app, writes=True, grows=True, versioned=True, content=True)
def upload(
    run: Context,
    org: Org,
    file: File,
    number: Number,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file, or - (stdin).")],
) -> None:
    """Upload a part with its content. The same again changes nothing, and mends content that was
    lost; other content under the same number replaces it.

    Example: catactl part upload acme data.bin 1 chunk-1
    """
    from catactl.cli.commands.uploading import run_part_upload

    run.output.show(run_part_upload(run, org, file, parse_part_number(number), path), PART)


@command(app, "list")
def list_(run: Context, org: Org, file: File) -> None:
    """List a file's parts.

    Example: catactl part list acme data.bin
    """
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        file_id = name_lookup.resolve_file(conn, org_id, file)
        run.output.rows(resources.list_parts(conn, org_id, file_id), PART)
