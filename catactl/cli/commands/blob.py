"""catactl blob"""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from catactl.cli.commands.usage import Orgs, organization_ids
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import ContentOfAnotherLog, InvalidValue
from catactl.results.shapes import SWEPT
from catactl.values.durations import parse_age
from catactl.values.sizes import format_size

app = typer.Typer()

OlderThan = Annotated[
    str,
    typer.Option("--older-than", metavar="D", help="As in 12h, 30d or 4w; 0: any age."),
]


@command(app, content=True)
def verify(run: Context, orgs: Orgs = None, older_than: OlderThan = "7d") -> None:
    """Read all stored content again, and compare what is there with what the log refers to.

    Exit code 6 when something is missing or damaged, or when content that nothing refers to is
    older than --older-than, so that `blob gc` has not run.

    Example: catactl blob verify acme
    """
    from catactl.cli.commands.verifying import report
    from catactl.content.verify import verify_organizations

    before = _before(run, older_than)
    ids = organization_ids(run, orgs)
    with Progress(run, "verifying", "byte") as progress:
        verification = verify_organizations(run.engine, run.blobs, ids, before, progress.advance)
    report(run, verification, "blob")


@command(app, writes=True, destructive=True, content=True)
def gc(
    run: Context,
    orgs: Orgs = None,
    older_than: OlderThan = "7d",
    claim: Annotated[
        bool,
        typer.Option("--claim", help="Take over content that another log recorded last."),
    ] = False,
) -> None:
    """Remove content that nothing refers to any more; look with --dry-run first.

    Such content is replaced parts, parts of uploads that broke off, and files deleted longer ago
    than --older-than. These files cannot be restored afterwards. The command is safe to run while
    others upload.

    Exit code 78 if another log recorded content last: this database is then a copy or a restored
    backup, and the other one may refer to content that this one does not. With --claim this
    database takes over the content, and the command removes what this database does not refer to.

    Example: catactl blob gc --older-than 30d --yes
    """
    from catactl.content.sweep import sweep

    before = _before(run, older_than)
    question = (
        "remove for good what nothing refers to, and what belongs to files deleted "
        f"{'at any time' if older_than == '0' else f'over {older_than} ago'}"
    )
    if claim:
        question += ", even if another log recorded content last"
    run.confirm(question)
    ids = organization_ids(run, orgs)
    # Without ORG, because an organization swept alone makes the same request as among others.
    request = {"command": "blob.gc", "older_than_seconds": parse_age(older_than)}
    intent = run.intent("", lambda: request)
    rows: list[dict[str, Any]] = []
    refused: list[ContentOfAnotherLog] = []
    with Progress(run, "sweeping", "organization", len(ids)) as progress:
        for org_id in ids:
            try:
                row = sweep(run.handler, run.blobs, org_id, before, intent, claims=claim)
            except ContentOfAnotherLog as error:
                if len(ids) == 1:
                    raise
                refused.append(error)
                run.failure(error.message)
            else:
                rows.append(row)
            progress.advance(1)
    summary: dict[str, Any] = {
        name: sum(row[name] for row in rows) for name in SWEPT.columns if name != "org_id"
    }
    summary["organizations"] = rows
    if run.common.dry_run:
        summary["dry_run"] = True
    run.output.report(summary, "organizations", SWEPT)
    removed = (
        f"{counted(summary['removed_blobs'], 'blob')}, {format_size(summary['removed_bytes'])}"
    )
    files = counted(summary["given_up_files"], "deleted file")
    if run.common.dry_run:
        run.note(f"dry run: {removed} would be removed; {files} could no longer be restored")
    else:
        run.note(f"{removed} removed; {files} can no longer be restored")
    if refused:
        raise ContentOfAnotherLog(
            f"{len(refused):,} of {counted(len(ids), 'organization')} were not swept: "
            f"{refused[0].message}",
            refused[0].hint,
        )


def _before(run: Context, older_than: str) -> datetime:
    age_seconds = parse_age(older_than)
    try:
        return run.now() - timedelta(seconds=age_seconds)
    except OverflowError:
        raise InvalidValue(f"--older-than {older_than} is before all time") from None
