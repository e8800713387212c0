"""catactl config"""

import typer

from catactl.cli.leaf import leaf
from catactl.cli.output import Shape
from catactl.cli.run import Run
from catactl.cli.shapes import SETTING
from catactl.settings import Setting, mask

app = typer.Typer()


@leaf(app)
def show(run: Run) -> None:
    """Show each setting and where its value comes from; passwords are masked.

    Example: catactl config show
    """
    settings = run.settings
    shown: dict[str, Setting | None] = {
        "profile": settings.profile,
        "database_url": settings.database_url,
        "blob_url": settings.blob_url,
        "actor": settings.actor,
        "output": settings.output,
        "lock_timeout": settings.lock_timeout,
    }
    run.output.rows(
        (
            {
                "name": name,
                "value": mask(setting.value) if setting is not None else None,
                "origin": setting.origin if setting is not None else "default",
            }
            for name, setting in shown.items()
        ),
        SETTING,
    )


@leaf(app)
def path(run: Run) -> None:
    """Print where the configuration file is, or would be.

    Example: catactl config path
    """
    config_path = str(run.settings.config_path)
    if run.output.is_for_programs:
        run.output.show({"path": config_path}, Shape("path", ("path",)))
    else:
        run.output.text(config_path)
