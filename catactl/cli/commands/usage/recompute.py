"""catactl usage recompute"""

from collections.abc import Sequence
from typing import Annotated

from typer import Option

from catactl.cli.commands.usage._findings import check_result, unreadable_error
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import WRITES, OrgArguments
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import Busy, CatactlError, ClockBehindLog, Findings
from catactl.results.result import Report, WithError
from catactl.results.usage import RecomputeResult, UsageFindingResult
from catactl.store import clock, name_lookup
from catactl.usage.comparison import Comparison
from catactl.usage.recompute import recompute as recompute_usage


@command(WRITES)
def recompute(
    context: Context,
    orgs: OrgArguments = None,
    fail_on_drift: Annotated[
        bool, Option("--fail-on-drift", help="Exit with 6 if usage was corrected.")
    ] = False,
) -> WithError[Report[RecomputeResult, UsageFindingResult]]:
    """Check storage usage and correct it where it differs, in one transaction per organization.

    If a stored row differs from its events, the command rebuilds it. If the usage in the
    events themselves is wrong, an organization.storage_usage_corrected event records the usage
    before and after. The command can run repeatedly and concurrently; a second run corrects
    nothing. If an organization is locked for longer than --lock-timeout, the others are still
    corrected, and the exit code is 75.

    Example: catactl usage recompute --quiet --reason nightly
    """
    with context.reading() as conn:
        ids = name_lookup.organizations_or_all(conn, orgs)
    intent = context.intent("", lambda: {"command": "usage.recompute"})
    with Progress(context, "recomputing", "organization", len(ids)) as progress:
        comparisons = recompute_usage(context.handler, context.engine, ids, intent)
        findings = list(progress.counting(comparisons))
    summary = check_result(findings, dry_run=context.options.dry_run)
    error = _error(context, findings, fail_on_drift=fail_on_drift)
    return WithError(Report(summary, summary["organizations"]), error)


def _error(
    context: Context, findings: Sequence[Comparison], *, fail_on_drift: bool
) -> CatactlError | None:
    """Return the error if organizations could not be corrected, or with --fail-on-drift if some
    were. Print each reason.
    """
    corrected = sum(finding.correction is not None for finding in findings)
    busy = [finding for finding in findings if isinstance(finding.error, Busy)]
    behind = [finding for finding in findings if isinstance(finding.error, ClockBehindLog)]
    for finding in (*busy, *behind):
        context.after_result(context.failure, f"{finding.name}: {finding.error}")
    unreadable = unreadable_error(context, findings)
    if unreadable is not None:
        return unreadable
    if behind:
        return ClockBehindLog(
            f"{len(behind):,} of {counted(len(findings), 'organization')} could not be corrected, "
            "because their logs are ahead of the clock; the others are done",
            clock.hint(behind[0].name),
        )
    if corrected and fail_on_drift:
        more = f"; {len(busy)} more drifted and were locked" if busy else ""
        return Findings(
            f"storage usage was corrected in {counted(corrected, 'organization')}{more}"
        )
    if busy:
        return Busy(
            f"{len(busy):,} of {counted(len(findings), 'organization')} drifted and were locked",
            "the others are done; run it again, or wait longer: --lock-timeout SECONDS",
        )
    return None
