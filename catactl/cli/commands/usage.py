"""catactl usage"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from catactl.cli.framework import exit_codes
from catactl.cli.framework.command import AsOf, Org, command
from catactl.cli.framework.context import Context
from catactl.cli.framework.help_format import MOST
from catactl.cli.framework.past_names import organization_at, organization_between
from catactl.cli.output.clock_warning import Ahead
from catactl.cli.output.progress import Progress
from catactl.cli.output.text import counted
from catactl.errors import Busy, ClockBehindLog, CorruptLog, Findings
from catactl.queries import resources
from catactl.queries.resources import Resource
from catactl.results.shapes import FINDING, LARGEST, SPAN, USAGE
from catactl.store import clock, name_lookup
from catactl.usage.units import Unit
from catactl.values.times import Every, Interval, checked_interval, parse_time

if TYPE_CHECKING:
    from catactl.usage.comparison import Comparison
    from catactl.usage.history import Span

app = typer.Typer()

_BUCKETS = 30


Orgs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ORG…]", help="Organizations, by name or id; none: every one."),
]


@command(app)
def show(run: Context, orgs: Orgs = None, as_of: AsOf = None) -> None:
    """Show storage usage: bytes, files and parts, as they are or as they were. With --as-of a name
    means the organization that had it then.

    The present has growth over 7 and 30 days as well, and an estimate of when the quota is reached;
    `catactl usage top --help` says what these are.

    Example: catactl usage show acme --as-of 2026-01-01
    """
    from catactl.usage import growth

    point = run.point(as_of)
    with run.reading() as conn:
        now = clock.now(conn)
        moment = point.moment if point is not None else None
        ids = [organization_at(run, conn, org, moment) for org in orgs or ()]
        ahead = Ahead(conn, ids or None)
        rows: Iterable[Resource]
        if point is not None and not ids:
            rows = run.past.list_usage(conn, name_lookup.all_logs(conn), point.moment)
        elif point is not None:
            rows = (run.past.usage(conn, org_id, point.moment) for org_id in ids)
        elif not ids:
            rows = growth.list_usage(conn, now)
        else:
            rows = (growth.get_usage(conn, org_id, now) for org_id in ids)
        rows = ahead.added_to(rows)
        if len(ids) == 1:
            run.output.show(next(rows), USAGE)
        else:
            run.output.rows(rows, USAGE)
        ahead.warn(run)


@command(app)
def top(
    run: Context,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=MOST, help="How many.")
    ] = 10,
) -> None:
    """Show the organizations that use most, how they grew, and when their quotas are reached.

    Growth is measured from the UTC midnight that began the day 7 or 30 days ago. The estimate takes
    that of 30 days as a straight line, or all of it since a younger organization was created, and
    continues it. There is none for the first two days, nor where usage does not grow or the quota
    is reached already.

    Example: catactl usage top --limit 3
    """
    from catactl.usage import growth

    with run.reading() as conn:
        ahead = Ahead(conn, None)
        rows = growth.largest(conn, limit, clock.now(conn))
        run.output.rows(ahead.added_to(rows), LARGEST)
        ahead.warn(run)


@command(app)
def history(
    run: Context,
    org: Org,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="[default: 30 buckets ago]")
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="Excluded.")] = "now",
    every: Annotated[Every, typer.Option("--every", help="How long a bucket is.")] = Every.DAY,
    plot: Annotated[
        bool,
        typer.Option("--plot", help="Draw its mean, up to the peak, over the terminal's width."),
    ] = False,
) -> None:
    """Show usage over time, a row an hour, day or month (UTC): opening, closing and peak bytes, and
    byte-hours. Buckets in which nothing happened are there too; the last one ends now.

    With --from or --to a name means the organization that had it then.

    Example: catactl usage history acme --from -7d --every hour
    """
    from catactl.cli.output.plot import plot as draw
    from catactl.usage.history import usage_history

    interval = _interval(run, from_, to, every)
    with run.reading() as conn:
        is_now = from_ is None and to == "now"
        org_id = organization_between(run, conn, org, *interval, prefers_now=is_now)
        spans = usage_history(conn, org_id, interval, every)
        if plot and not run.output.is_for_programs:
            run.output.text(draw(spans, interval))
            return
        run.output.rows((_as_row(span) for span in spans), SPAN)


def _interval(run: Context, from_: str | None, to: str, every: Every) -> Interval:
    """The interval that options name; its end is never in the future."""
    now = run.now()
    end = min(parse_time(to, now), now)
    start = parse_time(from_, now) if from_ is not None else every.back(end, _BUCKETS)
    return checked_interval(start, end)


def _as_row(span: "Span") -> dict[str, Any]:
    from catactl.usage.units import byte_hours

    return {
        "start": resources.plain(span.start),
        "end": resources.plain(span.end),
        "opening_bytes": span.opening_bytes,
        "closing_bytes": span.closing_bytes,
        "peak_bytes": span.peak_bytes,
        "byte_hours": byte_hours(span.byte_microseconds),
        "byte_microseconds": span.byte_microseconds,
    }


@command(app)
def report(
    run: Context,
    orgs: Orgs = None,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="[default: this one, so far]")
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Included.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Excluded.")] = None,
    unit: Annotated[Unit, typer.Option("--unit", help="What a list shows.")] = Unit.BYTE_HOURS,
    html: Annotated[
        str | None, typer.Option("--html", metavar="PATH", help="Write a page with charts as well.")
    ] = None,
) -> None:
    """Report what each organization used over a month or an interval, as lines of a bill. A name
    means each organization that had it in that time.

    The figures of a closed period never change. Before a report of a period that is over, the
    command waits for transactions that began before the period ended, up to --lock-timeout. A
    correction made in a period is a line of its own, of the kind adjustment.

    Example: catactl usage report --month 2026-01 --unit GB-month -o csv
    """
    from catactl.cli.commands.reporting import run_report

    run_report(run, orgs, month, from_, to, unit, html)


@command(app)
def explain(
    run: Context,
    org: Org,
    last: Annotated[
        int | None,
        typer.Option(
            "--last", metavar="N", min=1, max=MOST, help="Only the last so many usage events."
        ),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="[default: the beginning]")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Excluded. [default: now]")
    ] = None,
) -> None:
    """Explain an organization's figure: each event that changed it, by how much, and what caused
    it, from the figure before the first to the one after the last.

    The sum is proved on the way, and up to now the stored figure with it. Exit code 6 when
    something does not hold: its rows say what, unless a later correction has settled it.

    Example: catactl usage explain acme --last 20
    """
    from catactl.cli.commands.explaining import run_explain

    run_explain(run, org, last, from_, to)


@command(app)
def export(
    run: Context,
    format_: Annotated[
        Literal["prometheus", "cloudevents"], typer.Option("--format", help="What reads it.")
    ],
    orgs: Orgs = None,
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="PATH", help="Write it there: whole or not at all."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Only events from then on.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Only events before then.")
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(
            "--after",
            metavar="POSITION",
            min=0,
            max=MOST,
            help="Only what comes after, of one ORG.",
        ),
    ] = None,
) -> None:
    """Export usage to other systems.

    prometheus: gauges of how things stand, for node_exporter's textfile collector; the file has to
    end in .prom.

    cloudevents: each usage event, a CloudEvent a line, or one array with --json. To export what is
    new, run it each hour with --from -2h: what comes twice has the same source and id, and counts
    once. For one organization, go on --after the position of the last event.

    Example: catactl usage export --format prometheus --write /var/lib/node_exporter/catactl.prom
    """
    from catactl.cli.commands.exporting import run_export

    run_export(run, format_, orgs, write, from_, to, after)


@command(app)
def check(run: Context, orgs: Orgs = None) -> None:
    """Prove storage usage: recompute it from the file events alone, and compare it with what the
    organization, its files, the view and the running figure say; every file event must have its
    usage event, and each day that bills are made of must be what its usage events add up to.

    The organization's stored quota, status, name and version must also be as its events say.
    `catactl projection check` compares every other stored row.

    Exit code 6 if anything differs or a log is ahead of the clock; nothing is written.

    Example: catactl usage check && echo exact
    """
    from catactl.usage import check as usage_check

    ids = organization_ids(run, orgs)
    with Progress(run, "checking", "organization", len(ids)) as progress:
        findings = _counted(usage_check.check(run.engine, ids), progress)
        _report(run, findings)
    _raise_for_unreadable(run, findings)
    drifted = sum(finding.drifted for finding in findings)
    ahead = [finding for finding in findings if finding.clock_ahead_seconds]
    for finding in ahead:
        seconds = finding.clock_ahead_seconds
        run.failure(clock.ahead_in_words(run.engine, finding.name, seconds))
    problems = [f"storage usage drifted in {drifted} of {len(findings)} organizations"] * (
        drifted > 0
    ) + [f"{len(ahead)} of {len(findings)} logs are ahead of the clock"] * (len(ahead) > 0)
    if problems:
        hint = "catactl usage recompute" if drifted else clock.hint(ahead[0].name)
        raise Findings("; ".join(problems), hint)


@command(app, writes=True)
def recompute(
    run: Context,
    orgs: Orgs = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit 6 when something had to be corrected.")
    ] = False,
) -> None:
    """Check storage usage and correct what drifted, one transaction an organization.

    A stored row or view that departs from its own events is rebuilt from them. Where the events'
    running figure departs from first principles, an organization.storage_usage_corrected event
    records before and after. Safe to run twice at once; a second run corrects nothing. One that is
    locked for longer than --lock-timeout does not keep the others: exit code 75.

    Example: catactl usage recompute --quiet --reason nightly
    """
    from catactl.usage.recompute import recompute as recompute_usage

    ids = organization_ids(run, orgs)
    intent = run.intent("", lambda: {"command": "usage.recompute"})
    with Progress(run, "recomputing", "organization", len(ids)) as progress:
        findings = _counted(recompute_usage(run.handler, run.engine, ids, intent), progress)
        _report(run, findings)
    corrected = sum(finding.correction is not None for finding in findings)
    busy = [finding for finding in findings if isinstance(finding.error, Busy)]
    behind = [finding for finding in findings if isinstance(finding.error, ClockBehindLog)]
    for finding in (*busy, *behind):
        run.failure(f"{finding.name}: {finding.error}")
    _raise_for_unreadable(run, findings)
    if behind:
        raise ClockBehindLog(
            f"{len(behind):,} of {counted(len(findings), 'organization')} could not be corrected, "
            "because their logs are ahead of the clock; the others are done",
            clock.hint(behind[0].name),
        )
    if corrected and fail_on_drift:
        more = f"; {len(busy)} more drifted and were locked" if busy else ""
        raise Findings(f"storage usage was corrected in {counted(corrected, 'organization')}{more}")
    if busy:
        raise Busy(
            f"{len(busy):,} of {counted(len(findings), 'organization')} drifted and were locked",
            "the others are done; run it again, or wait longer: --lock-timeout SECONDS",
        )


def _raise_for_unreadable(run: Context, findings: list["Comparison"]) -> None:
    unreadable = [finding for finding in findings if finding.is_unreadable]
    for finding in unreadable:
        run.failure(f"{finding.name}: {finding.error}")
    if unreadable:
        drifted = sum(finding.drifted for finding in findings) - len(unreadable)
        raise CorruptLog(
            f"the events of {len(unreadable):,} of {counted(len(findings), 'organization')} cannot "
            f"be read; {drifted:,} of the others drifted",
            "catactl event verify",
        )


def organization_ids(run: Context, orgs: Sequence[str] | None) -> list[UUID]:
    with run.reading() as conn:
        if orgs:
            return list(dict.fromkeys(name_lookup.resolve_organization(conn, org) for org in orgs))
        return name_lookup.all_logs(conn)


def _counted(findings: Iterable["Comparison"], progress: Progress) -> list["Comparison"]:
    counted_findings = []
    for finding in findings:
        counted_findings.append(finding)
        progress.advance(1)
    return counted_findings


def _report(run: Context, findings: list["Comparison"]) -> None:
    summary: dict[str, Any] = {
        "checked": len(findings),
        "drifted": sum(finding.drifted for finding in findings),
        "organizations": [_row(finding) for finding in findings],
    }
    if run.common.dry_run:
        summary["dry_run"] = True
    run.output.report(summary, "organizations", FINDING)


def _row(finding: "Comparison") -> dict[str, Any]:
    error = exit_codes.as_fields(finding.error) if finding.error is not None else None
    return finding.as_row() | {"error": error}
