"""catactl org"""

from typing import Annotated

import typer

from catactl.cli.framework.command import AsOf, AtVersion, Org, command
from catactl.cli.framework.context import Context
from catactl.errors import ConfirmationRequired
from catactl.queries import resources
from catactl.results.shapes import ORGANIZATION
from catactl.values.sizes import parse_size
from catactl.values.spelling import normalized

app = typer.Typer()

Deleted = Annotated[bool, typer.Option("--all", help="Deleted ones as well.")]


@command(app, writes=True, grows=True)
def create(
    run: Context,
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
    arguments = {
        "name": name,
        "quota_bytes": parse_size(quota) if quota is not None else None,
        "if_not_exists": if_not_exists,
    }
    run.output.show(run.write("org.create", name, arguments), ORGANIZATION)


@command(app, "list")
def list_(run: Context, deleted: Deleted = False) -> None:
    """List organizations.

    Example: catactl org list --json
    """
    with run.reading() as conn:
        run.output.rows(resources.list_organizations(conn, deleted=deleted), ORGANIZATION)


@command(app)
def show(run: Context, org: Org, as_of: AsOf = None, at_version: AtVersion = None) -> None:
    """Show an organization, as it is or as it was. With --as-of a name means the organization that
    had it then.

    Example: catactl org show acme
    """
    from catactl.cli.framework.past_names import organization_at

    point = run.point(as_of, at_version)
    with run.reading() as conn:
        org_id = organization_at(run, conn, org, point.moment if point is not None else None)
        if point is None:
            row = resources.get_organization(conn, org_id)
        else:
            row = run.past.organization(conn, org_id, point)
    run.output.show(row, ORGANIZATION)


@command(app, writes=True, versioned=True)
def rename(
    run: Context, org: Org, new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")]
) -> None:
    """Give an organization another name; its id stays.

    Example: catactl org rename acme acme-inc
    """
    run.output.show(run.write("org.rename", org, {"new": new}), ORGANIZATION)


@command(app, writes=True, versioned=True)
def suspend(run: Context, org: Org) -> None:
    """Take nothing new from an organization: no parts, files or jobs. Deleting goes on.

    Example: catactl org suspend acme --reason "invoice 4711 unpaid"
    """
    run.output.show(run.write("org.suspend", org, {}), ORGANIZATION)


@command(app, writes=True, versioned=True)
def resume(run: Context, org: Org) -> None:
    """Lift a suspension.

    Example: catactl org resume acme
    """
    run.output.show(run.write("org.resume", org, {}), ORGANIZATION)


@command(app, writes=True, versioned=True)
def delete(
    run: Context,
    org: Org,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="NAME", help="The organization's name, once more."),
    ] = None,
) -> None:
    """Delete an organization that has no live files. Its events stay; its name is free again.

    Example: catactl org delete acme --confirm acme
    """
    if normalized(confirm or "") != normalized(org) and not run.common.dry_run:
        raise ConfirmationRequired(
            f"deleting organization {org!r} needs its name as a confirmation",
            f"add --confirm {org}",
        )
    run.output.show(run.write("org.delete", org, {"confirm": confirm}), ORGANIZATION)
