"""catactl usage explain"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import Connection
from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.help_format import MOST
from catactl.cli.framework.options import OrgArgument
from catactl.cli.framework.past_names import organization_between
from catactl.cli.framework.time_range import time_range
from catactl.errors import Findings, InvalidValue
from catactl.results.usage import ExplanationRow
from catactl.store import log_queries, name_lookup
from catactl.usage.explain import Entry, Kind
from catactl.usage.explain import explain as explain_usage


@command()
def explain(
    context: Context,
    org: OrgArgument,
    last: Annotated[
        int | None,
        Option("--last", metavar="N", min=1, max=MOST, help="Only the last N usage events."),
    ] = None,
    from_: Annotated[
        str | None,
        Option("--from", metavar="TIME", help="Start, included. [default: the first event]"),
    ] = None,
    to: Annotated[
        str | None, Option("--to", metavar="TIME", help="End, excluded. [default: now]")
    ] = None,
) -> Iterator[ExplanationRow]:
    """Explain an organization's usage: each event that changed it, the change in bytes, and its
    cause, with the usage before the first event and after the last.

    The command also checks the sum and, if the interval ends now, the stored usage. The exit code
    is 6 if a check fails and no later correction has settled it; the row describes the failure.

    Example: catactl usage explain acme --last 20
    """
    if last is not None and (from_ is not None or to is not None):
        raise InvalidValue("--last cannot be used with --from or --to", "use one or the other")
    start, end = time_range(context, from_, to)
    conn = context.snapshot
    if from_ is None and to is None:
        org_id = name_lookup.resolve_organization(conn, org)
    else:
        org_id = organization_between(context, conn, org, start, end)
    after = _after(conn, org_id, last, start)
    until = log_queries.position_before(conn, org_id, end) if end is not None else None
    return _rows(explain_usage(conn, org_id, after, until), org)


def _after(conn: Connection, org_id: UUID, last: int | None, start: datetime | None) -> int:
    """Return the position after which the range begins."""
    if last is not None:
        return log_queries.before_last_usage(conn, org_id, last)
    return log_queries.position_before(conn, org_id, start) if start is not None else 0


def _rows(entries: Iterable[Entry], org: str) -> Iterator[ExplanationRow]:
    """Yield the entries; then raise `Findings` if a check failed in one of them."""
    broken: Entry | None = None
    for entry in entries:
        if broken is None and entry.problem is not None and entry.settled_by is None:
            broken = entry
        yield entry.as_row()
    if broken is not None:
        raise _findings(org, broken)


def _findings(org: str, broken: Entry) -> Findings:
    hint = f"catactl usage recompute {org}"
    if broken.kind is not Kind.CLOSING:
        hint += f" corrects the usage; catactl event verify {org} checks if an event was changed"
    return Findings(
        f"usage of {org!r} does not add up at position {broken.position}: {broken.problem}", hint
    )
