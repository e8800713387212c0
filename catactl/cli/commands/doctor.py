"""catactl doctor"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import CONTENT
from catactl.cli.output.text import counted
from catactl.config.masking import mask
from catactl.errors import BadConfiguration, Findings
from catactl.results.program import DoctorResult, ExaminationResult
from catactl.results.result import Report, WithError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from catactl.doctor.findings import Finding


@command(CONTENT, needs_settings=False)
def doctor(context: Context) -> WithError[Report[DoctorResult, ExaminationResult]]:
    """Examine settings, files, database, logs, usage and content, and suggest corrections.

    Each examination prints one line: ok, warning, problem, or skipped if it depends on an
    examination with a problem. The exit code is 6 if there is a problem. The command creates and
    changes nothing. It waits for a lock only if --lock-timeout is given. It reads only a sample of
    a large database.

    Example: catactl doctor --json
    """
    checks: list[ExaminationResult] = [
        {
            "name": name,
            "status": finding.status,
            "message": mask(finding.message),
            "hint": mask(finding.hint) if finding.hint else finding.hint,
        }
        for name, finding in _findings(context)
    ]
    problems = [check for check in checks if check["status"] == "problem"]
    summary: DoctorResult = {
        "ok": not problems,
        "problems": len(problems),
        "warnings": sum(check["status"] == "warning" for check in checks),
        "checks": checks,
    }
    return WithError(Report(summary, checks), _error(problems))


def _error(problems: list[ExaminationResult]) -> Findings | None:
    if not problems:
        return None
    first = problems[0]
    return Findings(
        f"{counted(len(problems), 'problem')}; {first['name']}: {first['message']}", first["hint"]
    )


def _findings(context: Context) -> "Iterator[tuple[str, Finding]]":
    from catactl.doctor.examine import examine
    from catactl.doctor.findings import ok, problem, skipped

    try:
        settings, engine = context.settings, _engine(context)
    except BadConfiguration as error:
        yield "settings", problem(error.message, error.hint or "correct that setting")
        for name in ("secrets", "database", "content", "disk"):
            yield name, skipped("skipped: it needs the settings")
        return
    path, url, profile = settings.config_path, settings.database_url, settings.profile
    if path is None:
        config = "no configuration file is read, because there is no home folder"
    else:
        config = f"{path} is read" if path.exists() else f"{path} does not exist"
    suffix = f", profile {profile.value}" if profile is not None else ""
    yield "settings", ok(f"{config}{suffix}; database {url.value} ({url.origin})")
    yield from examine(settings, engine)


def _engine(context: Context) -> "Engine":
    """Return the configured database without connecting to it. Ignore the configured lock timeout,
    because doctor would wait too long with it.
    """
    from catactl.store.sql.engine import open_engine
    from catactl.store.sql.urls import parse_url

    url = parse_url(context.settings.database_url.value)
    return open_engine(url, lock_timeout_seconds=context.options.lock_timeout or 0.0)
