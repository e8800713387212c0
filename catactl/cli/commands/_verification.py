"""The result of a verification of content, which `file verify` and `blob verify` share."""

from catactl.cli.framework.context import Context
from catactl.cli.output.text import counted
from catactl.content.verify import Verification
from catactl.errors import Findings
from catactl.results.content import ContentProblem, VerifiedContent
from catactl.results.result import Report, WithError
from catactl.values.sizes import format_size


def report(
    context: Context, verification: Verification, unit: str
) -> WithError[Report[VerifiedContent, ContentProblem]]:
    """Return the result of a verification, and an error if content is missing, damaged or orphaned.
    `unit` is the noun for one piece of content, part or blob.
    """
    counts = {
        problem: sum(each["problem"] == problem for each in verification.problems)
        for problem in ("missing", "damaged", "orphaned")
    }
    summary: VerifiedContent = {
        "files": verification.files,
        "blobs": verification.blobs,
        "read_bytes": verification.read_bytes,
        "elsewhere": verification.elsewhere,
        "missing": counts["missing"],
        "damaged": counts["damaged"],
        "orphaned": counts["orphaned"],
        "problems": verification.problems,
    }
    in_words = ", ".join(f"{count:,} {problem}" for problem, count in counts.items())
    size = format_size(verification.read_bytes)
    context.after_result(
        context.note, f"{counted(verification.blobs, unit)} read, {size}: {in_words}"
    )
    error = Findings(f"the content differs from the log: {in_words}", _hint(counts, verification))
    return WithError(Report(summary, summary["problems"]), error if verification.problems else None)


def _hint(counts: dict[str, int], verification: Verification) -> str:
    if verification.is_another_logs and counts["orphaned"]:
        return (
            "another log recorded content last, and may refer to the orphaned content: "
            "verify it with the database that owns the content"
        )
    if counts["missing"] and not verification.undamaged:
        return "all content is missing, so check the blob URL: catactl config show"
    if counts["missing"] or counts["damaged"]:
        return "upload those files again: catactl file upload ORG PATH --verify"
    return "catactl blob gc"
