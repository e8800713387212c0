"""catactl usage check"""

from collections.abc import Sequence

from catactl.cli.commands.usage._findings import check_result, unreadable_error
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArguments
from catactl.cli.output.progress import Progress
from catactl.errors import CatactlError, Findings
from catactl.results.result import Report, WithError
from catactl.results.usage import CheckResult, UsageFindingResult
from catactl.store import clock, name_lookup
from catactl.usage import check as usage_check
from catactl.usage.comparison import Comparison


@command()
def check(
    context: Context, orgs: OrgArguments = None
) -> WithError[Report[CheckResult, UsageFindingResult]]:
    """Check storage usage. The command recomputes usage from the file events alone and compares it
    with the organization, its files, the projection, and the usage in the last event. Every file
    event must have its usage event, and the usage of each day must be the sum of its usage events.

    The command also compares the organization's stored quota, status, name and version with its
    events. `catactl projection check` compares all other stored rows.

    The exit code is 6 if anything differs or a log is ahead of the clock. The command writes
    nothing.

    Example: catactl usage check && echo exact
    """
    with context.reading() as conn:
        ids = name_lookup.organizations_or_all(conn, orgs)
    with Progress(context, "checking", "organization", len(ids)) as progress:
        findings = list(progress.counting(usage_check.check(context.engine, ids)))
    summary = check_result(findings)
    return WithError(Report(summary, summary["organizations"]), _error(context, findings))


def _error(context: Context, findings: Sequence[Comparison]) -> CatactlError | None:
    """Return the error if anything differs or is ahead of the clock; print each reason."""
    unreadable = unreadable_error(context, findings)
    if unreadable is not None:
        return unreadable
    drifted = sum(finding.drifted for finding in findings)
    ahead = [finding for finding in findings if finding.clock_ahead_seconds]
    for finding in ahead:
        seconds = finding.clock_ahead_seconds
        context.after_result(
            context.failure, clock.ahead_in_words(context.engine, finding.name, seconds)
        )
    problems = []
    if drifted:
        problems.append(f"storage usage drifted in {drifted} of {len(findings)} organizations")
    if ahead:
        problems.append(f"{len(ahead)} of {len(findings)} logs are ahead of the clock")
    if not problems:
        return None
    hint = "catactl usage recompute" if drifted else clock.hint(ahead[0].name)
    return Findings("; ".join(problems), hint)
