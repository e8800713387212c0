"""catactl blob gc"""

from collections.abc import Sequence
from typing import Annotated

from typer import Option

from catactl.cli.commands.blob import OlderThan, moment_before
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONFIRMATION, CONTENT, WRITES, OrgArguments
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import ContentOfAnotherLog
from catactl.results.content import SweepResult, SweptOrganization
from catactl.results.result import Report, WithError
from catactl.store import name_lookup
from catactl.values.durations import parse_age
from catactl.values.sizes import format_size


@command(WRITES, CONTENT, CONFIRMATION)
def gc(
    context: Context,
    orgs: OrgArguments = None,
    older_than: OlderThan = "7d",
    claim: Annotated[
        bool, Option("--claim", help="Take over content that another database recorded last.")
    ] = False,
) -> WithError[Report[SweepResult, SweptOrganization]]:
    """Remove unreferenced content. --dry-run shows what would be removed.

    Unreferenced content is: replaced parts, parts of interrupted uploads, and the content of files
    that were deleted longer ago than --older-than. These files cannot be restored afterwards. The
    command is safe to run during uploads.

    The exit code is 78 if another database recorded content last. One of the two is then a copy or
    a restored backup, and the other database may refer to content that this one does not. With
    --claim this database takes over the content, and the command removes all content that this
    database does not refer to. See `catactl help content`.

    Example: catactl blob gc --older-than 30d --yes
    """
    from catactl.content.sweep import sweep

    before = moment_before(context, older_than)
    context.confirm(_question(older_than, claim=claim))
    with context.reading() as conn:
        ids = name_lookup.organizations_or_all(conn, orgs)
    # Without ORG, because the request of an organization is the same alone and among others.
    request = {"command": "blob.gc", "older_than_seconds": parse_age(older_than)}
    intent = context.intent("", lambda: request)
    rows: list[SweptOrganization] = []
    refused: list[ContentOfAnotherLog] = []
    with Progress(context, "sweeping", "organization", len(ids)) as progress:
        for org_id in progress.counting(ids):
            try:
                rows.append(
                    sweep(context.handler, context.blobs, org_id, before, intent, claims=claim)
                )
            except ContentOfAnotherLog as error:
                if len(ids) == 1:
                    raise
                refused.append(error)
                context.failure(error.message)
    summary = _summary(rows, dry_run=context.options.dry_run)
    _note(context, summary)
    return WithError(Report(summary, rows), _error(refused, len(ids)))


def _question(older_than: str, *, claim: bool) -> str:
    age = "at any time" if older_than == "0" else f"over {older_than} ago"
    question = f"permanently remove unreferenced content and the content of files deleted {age}"
    return f"{question}, even if another database recorded content last" if claim else question


def _summary(rows: list[SweptOrganization], *, dry_run: bool) -> SweepResult:
    summary: SweepResult = {
        "given_up_files": sum(row["given_up_files"] for row in rows),
        "removed_blobs": sum(row["removed_blobs"] for row in rows),
        "removed_bytes": sum(row["removed_bytes"] for row in rows),
        "abandoned_writes": sum(row["abandoned_writes"] for row in rows),
        "organizations": rows,
    }
    if dry_run:
        summary["dry_run"] = True
    return summary


def _note(context: Context, summary: SweepResult) -> None:
    size = format_size(summary["removed_bytes"])
    removed = f"{counted(summary['removed_blobs'], 'blob')}, {size}"
    files = counted(summary["given_up_files"], "deleted file")
    text = f"{removed} removed; {files} can no longer be restored"
    if context.options.dry_run:
        text = f"dry run: {removed} would be removed; {files} could no longer be restored"
    context.after_result(context.note, text)


def _error(refused: Sequence[ContentOfAnotherLog], total: int) -> ContentOfAnotherLog | None:
    if not refused:
        return None
    return ContentOfAnotherLog(
        f"{len(refused):,} of {counted(total, 'organization')} were not swept: "
        f"{refused[0].message}",
        refused[0].hint,
    )
