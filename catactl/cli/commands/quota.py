"""catactl quota"""

from typing import Annotated, Any

import typer

from catactl.cli.framework.command import Org, command
from catactl.cli.framework.context import Context
from catactl.queries import resources
from catactl.results.shapes import ORGANIZATION, QUOTA
from catactl.usage.growth import used_percent
from catactl.values.numbers import parse_percent
from catactl.values.sizes import parse_size

app = typer.Typer()


@command(app, "set", writes=True, versioned=True)
def set_(
    run: Context,
    org: Org,
    size: Annotated[str, typer.Argument(metavar="SIZE", help="Bytes, or as in 10GB or 10GiB.")],
) -> None:
    """Set the most that an organization may store. Below what is used: nothing more can be added.

    Example: catactl quota set acme 10GiB
    """
    result = run.write("quota.set", org, {"size_bytes": parse_size(size)})
    if result["used_bytes"] > result["quota_bytes"]:
        run.note(
            f"{result['used_bytes']:,} bytes are used, more than the quota of "
            f"{result['quota_bytes']:,}: nothing more can be added until files are deleted"
        )
    run.output.show(result, ORGANIZATION)


@command(app, writes=True, versioned=True)
def clear(run: Context, org: Org) -> None:
    """Let an organization store without a limit.

    Example: catactl quota clear acme
    """
    run.output.show(run.write("quota.clear", org, {}), ORGANIZATION)


@command(app, "list")
def list_(
    run: Context,
    over: Annotated[
        str | None,
        typer.Option("--over", metavar="PERCENT", help="Only those that use more, as in 80%."),
    ] = None,
) -> None:
    """List organizations that have a quota, with the share that is used.

    Example: catactl quota list --over 80%
    """
    threshold = parse_percent(over) if over is not None else None
    with run.reading() as conn:
        rows = (
            row | {"used_percent": used_percent(row["used_bytes"], row["quota_bytes"])}
            for row in resources.list_organizations(conn)
            if row["quota_bytes"] is not None
        )
        run.output.rows((row for row in rows if threshold is None or _over(row, threshold)), QUOTA)


def _over(row: dict[str, Any], percent: int) -> bool:
    """Exactly: what is shown is rounded down, and 80.5 is over 80."""
    over: bool = row["used_bytes"] * 100 > row["quota_bytes"] * percent
    return over
