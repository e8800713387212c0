"""catactl topology"""

from typing import Annotated, Literal, cast

from typer import Option

from catactl.cli.framework.command import Context, command
from catactl.results.program import Topology
from catactl.results.result import Json, Text
from catactl.wiring.topology import as_document, as_mermaid, as_tree


@command()
def topology(
    context: Context,
    format_: Annotated[
        Literal["tree", "mermaid", "json"] | None,
        Option("--format", metavar="FORMAT", help="tree, mermaid or json."),
    ] = None,
) -> Text[Topology] | Json[Topology]:
    """Print the aggregate of each command, its events, and the sagas and projections that follow.

    Example: catactl topology --format mermaid
    """
    document = cast(Topology, as_document())
    match format_ or ("json" if context.output.is_for_programs else "tree"):
        case "json":
            return Json(document)
        case "mermaid":
            return Text(as_mermaid(), document, is_always_text=True)
        case _:
            return Text(as_tree(), document, is_always_text=True)
