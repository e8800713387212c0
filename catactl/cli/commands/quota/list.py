"""catactl quota list"""

from collections.abc import Iterator
from typing import Annotated

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.queries.organizations import list_organizations
from catactl.results.organizations import OrganizationResult, QuotaResult
from catactl.usage.growth import used_percent
from catactl.values.numbers import parse_percent


@command()
def list_(
    context: Context,
    over: Annotated[
        str | None,
        Option(
            "--over", metavar="PERCENT", help="Only organizations that use more, for example 80%."
        ),
    ] = None,
) -> Iterator[QuotaResult]:
    """List organizations that have a quota, with the percentage that they use.

    Example: catactl quota list --over 80%
    """
    percent = parse_percent(over) if over is not None else None
    return _with_quota(list_organizations(context.snapshot), percent)


def _with_quota(
    organizations: Iterator[OrganizationResult], percent: int | None
) -> Iterator[QuotaResult]:
    """Yield the organizations that have a quota and use more than a percentage of it."""
    for organization in organizations:
        used_bytes, quota_bytes = organization["used_bytes"], organization["quota_bytes"]
        if quota_bytes is None:
            continue
        # Compare exactly, because `used_percent` is rounded down, but 80.5 % is over 80 %.
        if percent is None or used_bytes * 100 > quota_bytes * percent:
            yield {**organization, "used_percent": used_percent(used_bytes, quota_bytes)}
