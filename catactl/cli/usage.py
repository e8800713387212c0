"""catactl usage"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from catactl import resources
from catactl.cli.leaf import leaf
from catactl.cli.progress import progress
from catactl.cli.run import Run
from catactl.cli.shapes import FINDING, USAGE
from catactl.errors import Findings
from catactl.store import directory

if TYPE_CHECKING:
    from catactl.usage import Finding

app = typer.Typer()

Orgs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ORG…]", help="Organizations, by name or id; none: every one."),
]


@leaf(app)
def show(run: Run, orgs: Orgs = None) -> None:
    """Show storage usage: bytes, files and parts.

    Example: catactl usage show acme
    """
    with run.reading() as conn:
        if not orgs:
            run.output.rows(resources.list_usage(conn), USAGE)
            return
        ids = [directory.resolve_organization(conn, org) for org in orgs]
        if len(ids) == 1:
            run.output.show(resources.get_usage(conn, ids[0]), USAGE)
        else:
            run.output.rows((resources.get_usage(conn, org_id) for org_id in ids), USAGE)


@leaf(app)
def check(run: Run, orgs: Orgs = None) -> None:
    """Prove storage usage: recompute it from the file events alone, and compare it with what the
    organization, the view and the running figure say; every file event must have its usage event.

    Exit code 6 when anything differs; nothing is written.

    Example: catactl usage check && echo exact
    """
    from catactl import usage

    ids = organization_ids(run, orgs)
    with progress(run, "checking", len(ids)) as advance:
        findings = _counted(usage.check(run.engine, ids), advance)
        _report(run, findings)
    drifted = sum(finding.drifted for finding in findings)
    if drifted:
        raise Findings(
            f"storage usage drifted in {drifted} of {len(findings)} organizations",
            "catactl usage recompute",
        )


@leaf(app, writes=True)
def recompute(
    run: Run,
    orgs: Orgs = None,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit 6 when something had to be corrected.")
    ] = False,
) -> None:
    """Check storage usage and correct what drifted, one transaction an organization.

    A stored row or view that departs from its own events is rebuilt from them. Where the events'
    running figure departs from first principles, an organization.storage_usage_corrected event
    records before and after. Safe to run twice at once; a second run corrects nothing.

    Example: catactl usage recompute --quiet --reason nightly
    """
    from catactl import usage

    ids = organization_ids(run, orgs)
    intent = run.intent("")
    with progress(run, "recomputing", len(ids)) as advance:
        findings = _counted(usage.recompute(run.handler, run.engine, ids, intent), advance)
        _report(run, findings)
    corrected = sum(finding.correction is not None for finding in findings)
    if corrected and fail_on_drift:
        raise Findings(f"storage usage was corrected in {corrected} organizations")


def organization_ids(run: Run, orgs: Sequence[str] | None) -> list[UUID]:
    with run.reading() as conn:
        if orgs:
            return list(dict.fromkeys(directory.resolve_organization(conn, org) for org in orgs))
        return directory.all_logs(conn)


def _counted(findings: Iterable["Finding"], advance: Callable[[int], None]) -> list["Finding"]:
    def counting() -> Iterator["Finding"]:
        for finding in findings:
            yield finding
            advance(1)

    return list(counting())


def _report(run: Run, findings: list["Finding"]) -> None:
    summary: dict[str, Any] = {
        "checked": len(findings),
        "drifted": sum(finding.drifted for finding in findings),
        "organizations": [finding.as_row() for finding in findings],
    }
    if run.common.dry_run:
        summary["dry_run"] = True
    run.output.report(summary, "organizations", FINDING)
