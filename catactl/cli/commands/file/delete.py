"""catactl file delete"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONFIRMATION, EXPECTED_VERSION, WRITES, OrgArgument
from catactl.errors import CatactlError, PartialFailure
from catactl.operations.arguments import canonical_name
from catactl.operations.files import delete_file
from catactl.results.files import FileWritten
from catactl.store.idempotency import key_suffix


@command(WRITES, EXPECTED_VERSION, CONFIRMATION)
def delete(
    context: Context,
    org: OrgArgument,
    files: Annotated[list[str], Argument(metavar="FILE…", help="Files, by name or id.")],
) -> FileWritten | Iterator[FileWritten]:
    """Delete files. Their bytes stop counting immediately. `file restore` restores a file.

    If one file cannot be deleted, the others still are. On a terminal, the command requests a
    confirmation before it deletes several files.

    Example: catactl file delete acme reports/2025.csv
    """
    if len(files) == 1:
        return context.write(delete_file, org, file=files[0])
    if context.is_interactive:
        context.confirm(f"delete {len(files)} files of {org!r}")
    names = {file: canonical_name(file) for file in files}
    context.claim_key(org, {"command": delete_file.name, "files": sorted({*names.values()})})
    return iter(_delete_each(context, org, names))


def _delete_each(context: Context, org: str, names: dict[str, str]) -> Iterator[FileWritten]:
    """Delete the files and yield them. Then raise `PartialFailure` if some could not be deleted."""
    failures = []
    for file, name in names.items():
        request = partial(delete_file.request, {"file": file})
        intent = context.intent(org, request, key_suffix=key_suffix(name))
        try:
            yield context.handler.execute(delete_file.run, intent, None, file=file)
        except CatactlError as error:
            failures.append(f"{file}: {error.message}")
            context.failure(failures[-1])
    if failures:
        raise PartialFailure(
            f"{len(failures)} of {len(names)} files were not deleted: " + "; ".join(failures)
        )
