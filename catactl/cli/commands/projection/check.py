"""catactl projection check"""

from collections.abc import Sequence

from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArguments
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import CatactlError, CorruptLog, Findings
from catactl.handling import row_check
from catactl.results.projections import (
    CheckedOrganization,
    DifferenceResult,
    OrganizationDifference,
    RowsChecked,
)
from catactl.results.result import Report, WithError, result_from
from catactl.store import name_lookup


@command()
def check(
    context: Context, orgs: OrgArguments = None
) -> WithError[Report[RowsChecked, OrganizationDifference]]:
    """Compare every stored row with the events: organizations and their names, files and their
    parts, job configurations, and the projections.

    The command prints one line for each difference, at most 20 for each organization. The exit code
    is 6 if there is a difference. The command writes nothing. It does not compare users and
    idempotency keys, because they have no events. Without ORG, it also finds rows of organizations
    that have no log.

    Example: catactl projection check acme
    """
    with context.reading() as conn:
        chosen = [name_lookup.resolve_organization(conn, org) for org in dict.fromkeys(orgs or ())]
        ids = chosen or row_check.organization_ids(conn)
        checked = [] if orgs else row_check.orphans(conn)
    with Progress(context, "checking", "organization", len(ids)) as progress:
        checked += progress.counting(row_check.check(context.engine, ids))
    organizations = [_result(each) for each in checked]
    summary: RowsChecked = {
        "checked": len(checked),
        "differing": sum(each.differs for each in checked),
        "organizations": organizations,
    }
    rows: list[OrganizationDifference] = [
        {"org_id": each["org_id"], "name": each["name"], **row}
        for each in organizations
        for row in each["rows"]
    ]
    return WithError(Report(summary, rows), _error(context, checked))


def _result(checked: row_check.CheckedRows) -> CheckedOrganization:
    error = exit_codes.as_fields(checked.error) if checked.error is not None else None
    return {
        "org_id": checked.org_id,
        "name": checked.name,
        "differences": checked.differences,
        "rows": [result_from(DifferenceResult, each._asdict()) for each in checked.first],
        "error": error,
    }


def _error(context: Context, checked: Sequence[row_check.CheckedRows]) -> CatactlError | None:
    """Return the error if stored rows differ or events cannot be read; print each reason."""
    total = counted(len(checked), "organization")
    differing = [each for each in checked if each.differs]
    unreadable = [each for each in differing if each.error is not None]
    for each in unreadable:
        context.after_result(context.failure, f"{each.name or each.org_id}: {each.error}")
    if unreadable:
        return CorruptLog(
            f"the events of {len(unreadable):,} of {total} cannot be "
            f"read; the rows of {len(differing) - len(unreadable):,} others differ",
            "catactl event verify",
        )
    if differing:
        count = sum(each.differences for each in differing)
        return Findings(
            f"stored rows of {len(differing):,} of {total} differ "
            f"from the events: {counted(count, 'difference')}",
            "catactl projection rebuild",
        )
    context.after_result(context.note, f"the stored rows of {total} agree with the events")
    return None
