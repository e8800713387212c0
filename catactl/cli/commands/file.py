"""catactl file"""

from typing import Annotated
from uuid import UUID

import typer

from catactl.cli.commands.org import Deleted
from catactl.cli.framework.command import AsOf, AtVersion, Org, command
from catactl.cli.framework.context import Context
from catactl.cli.framework.past_names import organization_at
from catactl.cli.output.progress import Progress
from catactl.errors import CatactlError, PartialFailure
from catactl.queries import resources
from catactl.results.shapes import FILE
from catactl.store import name_lookup

app = typer.Typer()

_UPLOAD_WORKERS = 4
_MAX_UPLOAD_WORKERS = 64
File = Annotated[str, typer.Argument(metavar="FILE", help="File, by name or id.")]


@command(app, writes=True, grows=True, versioned=True)
def create(
    run: Context,
    org: Org,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A relative path, unique while it lives.")
    ],
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="One of that name that exists is no error.")
    ] = False,
) -> None:
    """Create a file that parts can be put into.

    Example: catactl file create acme reports/2026.csv
    """
    arguments = {"name": name, "if_not_exists": if_not_exists}
    run.output.show(run.write("file.create", org, arguments), FILE)


@command(app, writes=True, versioned=True)
def complete(run: Context, org: Org, file: File) -> None:
    """Declare a file finished: it takes no more parts. Parts 1 to n must be there without a hole.

    Example: catactl file complete acme reports/2026.csv
    """
    run.output.show(run.write("file.complete", org, {"file": file}), FILE)


@command(app, "list")
def list_(run: Context, org: Org, deleted: Deleted = False) -> None:
    """List an organization's files.

    Example: catactl file list acme
    """
    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        run.output.rows(resources.list_files(conn, org_id, deleted=deleted), FILE)


@command(app)
def show(
    run: Context, org: Org, file: File, as_of: AsOf = None, at_version: AtVersion = None
) -> None:
    """Show a file, as it is or as it was. A name means the live file, else the file of that name
    that was deleted last. With --as-of names mean the organization and the file that had them then.

    Example: catactl file show acme reports/2026.csv
    """
    point = run.point(as_of, at_version)
    moment = point.moment if point is not None else None
    with run.reading() as conn:
        org_id = organization_at(run, conn, org, moment)
        file_id = (
            name_lookup.resolve_file(conn, org_id, file)
            if moment is None
            else run.past.find_file(conn, org_id, file, moment)
        )
        if point is None:
            row = resources.get_file(conn, org_id, file_id)
        else:
            row = run.past.file(conn, org_id, file_id, point)
    run.output.show(row, FILE)


@command(app, writes=True, versioned=True, destructive=True)
def delete(
    run: Context,
    org: Org,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files, by name or id.")],
) -> None:
    """Delete files; their bytes are released at once. `file restore` brings a file back.

    One that cannot be deleted does not keep the others. On a terminal, several are asked about
    first.

    Example: catactl file delete acme reports/2025.csv
    """
    if len(files) == 1:
        run.output.show(run.write("file.delete", org, {"file": files[0]}), FILE)
        return
    if run.is_interactive:
        run.confirm(f"delete {len(files)} files of {org!r}")
    from catactl.operations.registry import normal_name
    from catactl.store.idempotency import key_suffix

    names = {file: normal_name(file) for file in files}
    run.claim_key(org, {"command": "file.delete", "files": sorted({*names.values()})})
    results, failures = [], []
    for file in files:
        suffix = key_suffix(names[file])
        try:
            result = run.write("file.delete", org, {"file": file}, key_suffix=suffix)
        except CatactlError as error:
            failures.append(f"{file}: {error.message}")
            run.failure(failures[-1])
        else:
            results.append(result)
    run.output.rows(results, FILE)
    if failures:
        raise PartialFailure(
            f"{len(failures)} of {len(files)} files were not deleted: " + "; ".join(failures)
        )


@command(app, writes=True, versioned=True)
def restore(run: Context, org: Org, file: File) -> None:
    """Bring a deleted file back, unless `blob gc` has taken its content; its bytes are charged
    again, so the quota must have room for them.

    Example: catactl file restore acme reports/2025.csv
    """
    run.output.show(run.write("file.restore", org, {"file": file}), FILE)


@command(app, writes=True, grows=True, content=True)
def upload(
    run: Context,
    org: Org,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH…", help="Files, folders with all below them, or - (stdin)."),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Its name; for a folder what goes before.",
        ),
    ] = None,
    part_size: Annotated[
        str | None,
        typer.Option(
            "--part-size",
            metavar="SIZE",
            help="Size of a part. Parts of standard input begin with it and grow. [default: 8MiB]",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", metavar="N", min=1, max=_MAX_UPLOAD_WORKERS, help="Parts stored at once."
        ),
    ] = _UPLOAD_WORKERS,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Upload what symbolic links point to.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read what is stored again; mend what is damaged.")
    ] = False,
) -> None:
    """Upload files with their content. Run again, it goes on where it broke off: what is there
    already is skipped.

    A file is named by the last part of its path, and one in a folder by its path below that: the
    folder's own name is not part of it, unless --name puts it before. One that cannot be uploaded
    does not keep the others: exit code 7.

    Example: catactl file upload acme reports/ --name reports
    """
    from catactl.cli.commands.uploading import run_upload
    from catactl.values.sizes import parse_size

    part_bytes = parse_size(part_size) if part_size is not None else None
    run_upload(run, org, paths, name, part_bytes, workers, follow_links=follow_links, verify=verify)


@command(app, content=True)
def download(
    run: Context,
    org: Org,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE…]", help="Files, by name or id.")
    ] = None,
    to: Annotated[
        str,
        typer.Option("--to", metavar="PATH", help="A file, a folder to put them in by name, or -."),
    ] = ".",
    all_: Annotated[bool, typer.Option("--all", help="Every complete file.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that has other content.")
    ] = False,
) -> None:
    """Download files, each part checked against its digest. Run again, it goes on where it broke
    off; a file that is there already and the same stays.

    A folder that --to names with a / at its end is made. One that cannot be had does not keep the
    others: exit code 7.

    Example: catactl file download acme reports/2026.csv --to /tmp/2026.csv
    """
    from catactl.cli.commands.downloading import run_download

    run_download(run, org, files or [], to, every=all_, force=force)


@command(app, content=True)
def verify(
    run: Context,
    org: Org,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE…]", help="Files, by name or id; none: every live one."),
    ] = None,
) -> None:
    """Read the content of files again and compare it with what the log says.

    Exit code 6 when content is missing or damaged. Parts that were only recorded are kept
    elsewhere, and not looked at.

    Example: catactl file verify acme reports/2026.csv
    """
    from catactl.cli.commands.verifying import report
    from catactl.content.verify import verify_files

    with run.reading() as conn:
        org_id = name_lookup.resolve_organization(conn, org)
        if files:
            ids = [name_lookup.resolve_file(conn, org_id, file) for file in dict.fromkeys(files)]
        else:
            ids = [UUID(row["file_id"]) for row in resources.list_files(conn, org_id)]
    with Progress(run, "verifying", "byte") as progress:
        verification = verify_files(run.engine, run.blobs, org_id, ids, progress.advance)
    report(run, verification, "part")
