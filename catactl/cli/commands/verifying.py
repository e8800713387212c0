"""Print the result of `file verify` and `blob verify`."""

from typing import Any

from catactl.cli.framework.context import Context
from catactl.cli.output.text import counted
from catactl.content.verify import Verification
from catactl.errors import Findings
from catactl.results.shapes import PROBLEM
from catactl.values.sizes import format_size


def report(run: Context, verification: Verification, noun: str) -> None:
    """Print the problems, and a summary that counts parts or blobs: the `noun`. Raise `Findings` if
    there is a problem.
    """
    counts = {
        problem: sum(each.problem == problem for each in verification.problems)
        for problem in ("missing", "damaged", "orphaned")
    }
    row: dict[str, Any] = {
        "files": verification.files,
        "blobs": verification.blobs,
        "read_bytes": verification.read_bytes,
        "elsewhere": verification.elsewhere,
        **counts,
        "problems": [each.as_row() for each in verification.problems],
    }
    run.output.report(row, "problems", PROBLEM)
    summary = ", ".join(f"{count:,} {problem}" for problem, count in counts.items())
    size = format_size(verification.read_bytes)
    run.note(f"{counted(verification.blobs, noun)} read, {size}: {summary}")
    if verification.problems:
        raise Findings(f"the content differs from the log: {summary}", _hint(counts, verification))


def _hint(counts: dict[str, int], verification: Verification) -> str:
    if verification.is_another_logs and counts["orphaned"]:
        return (
            "another log recorded content last, and may refer to the orphaned content: "
            "verify it with the database that owns the content"
        )
    if counts["missing"] and not verification.whole:
        return "all content is missing, so check the blob URL: catactl config show"
    if counts["missing"] or counts["damaged"]:
        return "upload those files again: catactl file upload ORG PATH --verify"
    return "catactl blob gc"
