"""catactl config validate"""

from catactl.cli.commands.config import path_of_config
from catactl.cli.framework.command import Context, command
from catactl.errors import BadConfiguration
from catactl.results.program import ConfigProblem, ConfigValidation
from catactl.results.result import Report, WithError


@command(needs_settings=False)
def validate(context: Context) -> WithError[Report[ConfigValidation, ConfigProblem]]:
    """Check the configuration file. Report unknown keys, invalid values, and files with a password
    that other users can read. The command does not connect to a database.

    The exit code is 78 if there is a problem.

    Example: catactl config validate
    """
    from catactl.config.validation import validate as find_problems

    found = path_of_config()
    problems: list[ConfigProblem] = [
        {"where": each.where, "key": each.key, "message": each.message, "hint": each.hint}
        for each in find_problems(found)
    ]
    report: Report[ConfigValidation, ConfigProblem] = Report(
        {"path": str(found), "ok": not problems, "problems": problems},
        problems,
        if_empty=f"ok\t{found}" if found.exists() else f"ok\tthere is no {found}",
    )
    if not problems:
        return WithError(report, None)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return WithError(report, BadConfiguration(f"{count} in {found}"))
