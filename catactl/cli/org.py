"""catactl org"""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from catactl import resources
from catactl.cli.leaf import AsOf, AtVersion, Org, leaf
from catactl.cli.run import Run
from catactl.cli.shapes import ORGANIZATION
from catactl.domain.sizes import parse_size
from catactl.errors import AlreadyExists, ConfirmationRequired
from catactl.ids import id_for_key, new_id

app = typer.Typer()

Deleted = Annotated[bool, typer.Option("--all", help="Deleted ones as well.")]


def _present(outcome: Any) -> dict[str, Any]:
    return resources.organization(outcome.org_id, outcome.state, outcome.version)


@leaf(app, writes=True)
def create(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique among live organizations.")],
    quota: Annotated[
        str | None, typer.Option("--quota", metavar="SIZE", help="Most it may store, as in 10GB.")
    ] = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="An identical one that exists is no error.")
    ] = False,
) -> None:
    """Create an organization.

    Example: catactl org create acme --quota 10GB
    """
    from catactl.domain.organization import CreateOrganization
    from catactl.store import directory

    quota_bytes = parse_size(quota) if quota is not None else None
    now = datetime.now(UTC)
    key = run.common.idempotency_key
    org_id = id_for_key(key) if key else new_id(now)
    from catactl.cli.run import done

    try:
        result = run.handler.handle(
            org_id,
            CreateOrganization(name, now, quota_bytes),
            run.intent(name),
            lambda outcome: done(outcome, _present),
        )
    except AlreadyExists:
        if not if_not_exists:
            raise
        with run.reading() as conn:
            existing = directory.find_organization(conn, name)
            if existing is None:
                raise
            result = resources.get_organization(conn, existing)
            if quota is not None and result["quota_bytes"] != quota_bytes:
                raise AlreadyExists(
                    f"organization {name!r} exists with another quota: {result['quota_bytes']}",
                    f"catactl quota set {name} {quota}",
                ) from None
            result |= {"position": resources.get_usage(conn, existing)["position"], "events": []}
    run.output.show(result, ORGANIZATION)


@leaf(app, "list")
def list_(run: Run, deleted: Deleted = False) -> None:
    """List organizations.

    Example: catactl org list --json
    """
    with run.reading() as conn:
        run.output.rows(resources.list_organizations(conn, deleted=deleted), ORGANIZATION)


@leaf(app)
def show(run: Run, org: Org, as_of: AsOf = None, at_version: AtVersion = None) -> None:
    """Show an organization, as it is or as it was.

    Example: catactl org show acme
    """
    from catactl.store import directory

    point = run.point(as_of, at_version)
    with run.reading() as conn:
        org_id = directory.resolve_organization(conn, org)
        if point is None:
            row = resources.get_organization(conn, org_id)
        else:
            row = run.past.organization(conn, org_id, point)
    run.output.show(row, ORGANIZATION)


@leaf(app, writes=True, versioned=True)
def rename(
    run: Run, org: Org, new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")]
) -> None:
    """Give an organization another name; its id stays.

    Example: catactl org rename acme acme-inc
    """
    from catactl.domain.organization import RenameOrganization

    run.output.show(run.write(org, RenameOrganization(new), _present), ORGANIZATION)


@leaf(app, writes=True, versioned=True)
def suspend(run: Run, org: Org) -> None:
    """Take nothing new from an organization: no parts, files or jobs. Deleting goes on.

    Example: catactl org suspend acme --reason "invoice 4711 unpaid"
    """
    from catactl.domain.organization import SuspendOrganization

    run.output.show(run.write(org, SuspendOrganization(), _present), ORGANIZATION)


@leaf(app, writes=True, versioned=True)
def resume(run: Run, org: Org) -> None:
    """Lift a suspension.

    Example: catactl org resume acme
    """
    from catactl.domain.organization import ResumeOrganization

    run.output.show(run.write(org, ResumeOrganization(), _present), ORGANIZATION)


@leaf(app, writes=True, versioned=True)
def delete(
    run: Run,
    org: Org,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAME", help="The organization's name, once more."),
    ] = None,
) -> None:
    """Delete an organization that has no live files. Its events stay; its name is free again.

    Example: catactl org delete acme --confirm acme
    """
    from catactl.domain.organization import DeleteOrganization

    if confirm != org and not run.common.dry_run:
        raise ConfirmationRequired(
            f"deleting organization {org!r} needs its name as a confirmation",
            f"add --confirm {org}",
        )
    run.output.show(run.write(org, DeleteOrganization(), _present), ORGANIZATION)
