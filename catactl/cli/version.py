"""catactl version"""

import typer

import catactl
from catactl.cli.leaf import leaf
from catactl.cli.run import Run
from catactl.cli.shapes import Shape

app = typer.Typer()


@leaf(app)
def version(run: Run) -> None:
    """Print the version.

    Example: catactl version
    """
    if run.output.format in {"table", "tsv", "id"}:
        run.output.text(catactl.__version__)
    else:
        run.output.show({"version": catactl.__version__}, Shape("version", ("version",)))
