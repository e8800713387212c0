"""catactl doctor"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from catactl.cli.framework.command import command
from catactl.cli.framework.context import Context
from catactl.cli.output.render import Output
from catactl.cli.output.text import counted
from catactl.config.masking import mask
from catactl.errors import BadConfiguration, Findings
from catactl.results.shapes import CHECK

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from catactl.doctor.findings import Check

app = typer.Typer()


@command(app, content=True)
def doctor(run: Context) -> None:
    """Examine settings, files, database, log, usage and content; say what mends what is wrong.

    A line each: ok, warning, problem, or skipped where it needs what has a problem. Exit code 6 if
    there is a problem. Nothing is created or changed, a lock is waited for only as long as
    --lock-timeout on the command line says, and of a large database a sample is read.

    Example: catactl doctor --json
    """
    checks = [
        {"name": name, "status": status, "message": mask(message), "hint": hint and mask(hint)}
        for name, status, message, hint in _checks(run)
    ]
    problems = [check for check in checks if check["status"] == "problem"]
    summary: dict[str, Any] = {
        "ok": not problems,
        "problems": len(problems),
        "warnings": sum(check["status"] == "warning" for check in checks),
        "checks": checks,
    }
    _output(run).report(summary, "checks", CHECK)
    if problems:
        first = problems[0]
        raise Findings(
            f"{counted(len(problems), 'problem')}; {first['name']}: {first['message']}",
            first["hint"],
        )


def _checks(run: Context) -> "Iterator[Check]":
    from catactl.doctor.examine import examine
    from catactl.doctor.findings import Check, Status

    try:
        settings, engine = run.settings, _engine(run)
    except BadConfiguration as error:
        yield Check("settings", Status.PROBLEM, error.message, error.hint or "correct that setting")
        for name in ("secrets", "database", "content", "disk"):
            yield Check(name, Status.SKIPPED, "skipped: it needs the settings")
        return
    path, url, profile = settings.config_path, settings.database_url, settings.profile
    if path is None:
        config = "no configuration file is read, because there is no home folder"
    else:
        config = f"{path} is read" if path.exists() else f"{path} does not exist"
    chosen = f", profile {profile.value}" if profile is not None else ""
    yield Check("settings", Status.OK, f"{config}{chosen}; database {url.value} ({url.origin})")
    yield from examine(settings, engine)


def _engine(run: Context) -> "Engine":
    """The configured database, not connected to. What is configured to wait would wait too long."""
    from catactl.store.sql.engine import open_engine
    from catactl.store.sql.urls import parse_url

    url = parse_url(run.settings.database_url.value)
    return open_engine(url, lock_timeout_seconds=run.common.lock_timeout or 0.0)


def _output(run: Context) -> Output:
    try:
        return run.output
    except BadConfiguration:  # which is a finding here
        return run.output_without_settings()
