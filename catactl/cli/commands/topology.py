"""catactl topology"""

from typing import Annotated, Literal

import typer

from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.results.shapes import Shape
from catactl.wiring import topology as flow

app = typer.Typer()


@command(app)
def topology(
    run: Context,
    format_: Annotated[
        Literal["tree", "mermaid", "json"] | None,
        typer.Option("--format", metavar="FORMAT", help="tree, mermaid or json."),
    ] = None,
) -> None:
    """Print what leads to what, from the running registries: command, aggregate, event, saga, view.

    Example: catactl topology --format mermaid
    """
    chosen = format_ or ("json" if run.output.is_for_programs else "tree")
    match chosen:
        case "tree":
            run.output.text("\n".join(flow.as_tree()))
        case "mermaid":
            run.output.text("\n".join(flow.as_mermaid()))
        case "json":
            run.output.as_json().show(flow.as_document(), Shape("", ()))
