"""catactl config"""

import os
from contextlib import suppress
from pathlib import Path

import typer

from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.config.masking import mask, mask_url
from catactl.config.paths import config_path, no_home
from catactl.config.settings import Setting
from catactl.errors import BadConfiguration
from catactl.results.shapes import PROBLEM_IN_CONFIG, SETTING, Shape

app = typer.Typer()


@command(app)
def show(run: Context) -> None:
    """Show each setting as it is used, and where its value comes from; passwords are masked.

    Example: catactl config show
    """
    settings = run.settings
    shown: dict[str, Setting | None] = {
        "profile": settings.profile,
        "database_url": settings.database_url,
        "blob_url": None,
        "actor": settings.actor,
        "output": run.output_setting,
        "log_format": settings.log_format,
        "lock_timeout": run.lock_timeout_setting,
    }
    with suppress(BadConfiguration):  # beside a database that cannot be
        shown["blob_url"] = run.blob_url_setting
    urls = {"database_url", "blob_url"}
    run.output.rows(
        (
            {
                "name": name,
                "value": _masked(setting.value, is_url=name in urls) if setting else None,
                "origin": mask(setting.origin) if setting is not None else "default",
            }
            for name, setting in shown.items()
        ),
        SETTING,
    )


def _masked(value: str, *, is_url: bool) -> str:
    return mask_url(value) if is_url else mask(value)


@command(app)
def path(run: Context) -> None:
    """Print where the configuration file is, or would be.

    Example: catactl config path
    """
    found = str(_config_path())
    output = run.output_without_settings()
    if output.is_for_programs:
        output.show({"path": found}, Shape("path", ("path",)))
    else:
        output.text(found)


@command(app)
def validate(run: Context) -> None:
    """Say everything that is wrong with the configuration file: unknown keys, values that cannot be
    used, files that hold a password and that everybody can read. Nothing is connected to.

    Exit code 78 when there is anything.

    Example: catactl config validate
    """
    from catactl.config.validation import validate

    found = _config_path()
    problems = validate(found)
    output = run.output_without_settings()
    summary = {
        "path": str(found),
        "ok": not problems,
        "problems": [problem._asdict() for problem in problems],
    }
    if problems or output.is_json:
        output.report(summary, "problems", PROBLEM_IN_CONFIG)
    else:
        output.text(f"ok\t{found}" if found.exists() else f"ok\tthere is no {found}")
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise BadConfiguration(f"{count} in {found}")


def _config_path() -> Path:
    found = config_path(os.environ)
    if found is None:
        raise no_home(os.environ, "set HOME or XDG_CONFIG_HOME")
    return found
