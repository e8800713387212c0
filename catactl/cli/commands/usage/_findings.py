"""Results and errors that `usage check` and `usage recompute` share."""

from collections.abc import Sequence

from catactl.cli.framework import exit_codes
from catactl.cli.framework.context import Context
from catactl.cli.output.text import counted
from catactl.errors import CorruptLog
from catactl.results.usage import RecomputeResult, UsageFindingResult
from catactl.usage.comparison import Comparison


def check_result(findings: Sequence[Comparison], *, dry_run: bool = False) -> RecomputeResult:
    """Return the findings with a summary."""
    result: RecomputeResult = {
        "checked": len(findings),
        "drifted": sum(finding.drifted for finding in findings),
        "organizations": [_result(finding) for finding in findings],
    }
    if dry_run:
        result["dry_run"] = True
    return result


def _result(finding: Comparison) -> UsageFindingResult:
    error = exit_codes.as_fields(finding.error) if finding.error is not None else None
    return {**finding.as_result(), "error": error}


def unreadable_error(context: Context, findings: Sequence[Comparison]) -> CorruptLog | None:
    """Return the error if the events of organizations cannot be read; print each reason."""
    unreadable = [finding for finding in findings if finding.is_unreadable]
    for finding in unreadable:
        context.after_result(context.failure, f"{finding.name}: {finding.error}")
    if not unreadable:
        return None
    drifted = sum(finding.drifted for finding in findings) - len(unreadable)
    return CorruptLog(
        f"the events of {len(unreadable):,} of {counted(len(findings), 'organization')} cannot "
        f"be read; {drifted:,} of the others drifted",
        "catactl event verify",
    )
