"""catactl file"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from catactl import resources
from catactl.cli.leaf import Org, leaf
from catactl.cli.org import Deleted
from catactl.cli.run import Run
from catactl.cli.shapes import FILE
from catactl.errors import CatactlError, PartialFailure
from catactl.ids import new_id
from catactl.store import directory

app = typer.Typer()

File = Annotated[str, typer.Argument(metavar="FILE", help="File, by name or id.")]


def _present(outcome: Any) -> dict[str, Any]:
    return resources.file(outcome.org_id, outcome.stream_id, outcome.state, outcome.version)


def _to_file(file: str, command: Any) -> Callable[[Any, UUID], Any]:
    """Address a command to a file that is looked up under the lock."""
    from catactl.domain.decider import Addressed

    return lambda conn, org_id: Addressed(directory.resolve_file(conn, org_id, file), command)


@leaf(app, writes=True, versioned=True)
def create(
    run: Run,
    org: Org,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A relative path, unique while it lives.")
    ],
) -> None:
    """Create a file that parts can be put into.

    Example: catactl file create acme reports/2026.csv
    """
    from catactl.domain.decider import Addressed
    from catactl.domain.file import CreateFile

    now = datetime.now(UTC)
    result = run.write(
        org, lambda _conn, _org_id: Addressed(new_id(now), CreateFile(name, now)), _present
    )
    run.output.show(result, FILE)


@leaf(app, writes=True, versioned=True)
def complete(run: Run, org: Org, file: File) -> None:
    """Declare a file finished: it takes no more parts. Parts 1 to n must be there without a hole.

    Example: catactl file complete acme reports/2026.csv
    """
    from catactl.domain.file import CompleteFile

    run.output.show(run.write(org, _to_file(file, CompleteFile()), _present), FILE)


@leaf(app, "list")
def list_(run: Run, org: Org, deleted: Deleted = False) -> None:
    """List an organization's files.

    Example: catactl file list acme
    """
    with run.reading() as conn:
        org_id = directory.resolve_organization(conn, org)
        run.output.rows(resources.list_files(conn, org_id, deleted=deleted), FILE)


@leaf(app)
def show(run: Run, org: Org, file: File) -> None:
    """Show a file. A name finds the live file, else the one of that name that was deleted last.

    Example: catactl file show acme reports/2026.csv
    """
    with run.reading() as conn:
        org_id = directory.resolve_organization(conn, org)
        file_id = directory.resolve_file(conn, org_id, file)
        run.output.show(resources.get_file(conn, org_id, file_id), FILE)


@leaf(app, writes=True, versioned=True, destructive=True)
def delete(
    run: Run,
    org: Org,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Files, by name or id.")],
) -> None:
    """Delete files; their bytes are released at once. `file restore` brings a file back.

    One that cannot be deleted does not keep the others. On a terminal, several are asked about
    first.

    Example: catactl file delete acme reports/2025.csv
    """
    from catactl.domain.file import DeleteFile

    if len(files) == 1:
        run.output.show(run.write(org, _to_file(files[0], DeleteFile()), _present), FILE)
        return
    if run.is_interactive:
        run.confirm(f"delete {len(files)} files of {org!r}")
    results, failures = [], []
    for index, file in enumerate(files):
        try:
            result = run.write(org, _to_file(file, DeleteFile()), _present, key_suffix=f"/{index}")
        except CatactlError as error:
            failures.append(error)
            run.note(f"{file}: {error.message}")
        else:
            results.append(result)
    run.output.rows(results, FILE)
    if failures:
        raise PartialFailure(f"{len(failures)} of {len(files)} files were not deleted")


@leaf(app, writes=True, versioned=True)
def restore(run: Run, org: Org, file: File) -> None:
    """Bring a deleted file back; its bytes are charged again, so the quota must have room for them.

    Example: catactl file restore acme reports/2025.csv
    """
    from catactl.domain.file import RestoreFile

    run.output.show(run.write(org, _to_file(file, RestoreFile()), _present), FILE)
