"""catactl blob verify"""

from catactl.cli.commands.blob import OlderThan, moment_before
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONTENT, OrgArguments
from catactl.cli.output.progress import Progress
from catactl.results.content import ContentProblem, VerifiedContent
from catactl.results.result import Report, WithError
from catactl.store import name_lookup


@command(CONTENT)
def verify(
    context: Context, orgs: OrgArguments = None, older_than: OlderThan = "7d"
) -> WithError[Report[VerifiedContent, ContentProblem]]:
    """Read all stored content and compare it with the log.

    The exit code is 6 if content is missing or damaged, or if unreferenced content is older than
    --older-than, which means that `blob gc` has not run.

    Example: catactl blob verify acme
    """
    from catactl.cli.commands._verification import report
    from catactl.content.verify import verify_organizations

    before = moment_before(context, older_than)
    with context.reading() as conn:
        ids = name_lookup.organizations_or_all(conn, orgs)
    with Progress(context, "verifying", "byte") as progress:
        verification = verify_organizations(
            context.engine, context.blobs, ids, before, progress.advance
        )
    return report(context, verification, "blob")
