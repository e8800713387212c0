"""catactl version"""

import typer

import catactl
from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.results.shapes import Shape

app = typer.Typer()


@command(app)
def version(run: Context) -> None:
    """Print the version.

    Example: catactl version
    """
    if run.output.format in {"table", "tsv", "id"}:
        run.output.text(catactl.__version__)
    else:
        run.output.show({"version": catactl.__version__}, Shape("version", ("version",)))
