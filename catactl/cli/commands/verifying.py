"""What verifying content found, as a result."""

from typing import Any

from catactl.cli.framework.context import Context
from catactl.cli.output.text import counted
from catactl.content.verify import Verified
from catactl.errors import Findings
from catactl.results.shapes import PROBLEM
from catactl.values.sizes import format_size


def report(run: Context, found: Verified, what: str) -> None:
    """Print what was found in parts or blobs, whichever was read; raise `Findings` if anything is
    wrong.
    """
    counts = {
        problem: sum(each.problem == problem for each in found.problems)
        for problem in ("missing", "damaged", "orphaned")
    }
    summary: dict[str, Any] = {
        "files": found.files,
        "blobs": found.blobs,
        "read_bytes": found.read_bytes,
        "elsewhere": found.elsewhere,
        **counts,
        "problems": [each.as_row() for each in found.problems],
    }
    run.output.report(summary, "problems", PROBLEM)
    told = ", ".join(f"{count:,} {problem}" for problem, count in counts.items())
    run.note(f"{counted(found.blobs, what)} read, {format_size(found.read_bytes)}: {told}")
    if found.problems:
        raise Findings(f"content is not what the log says: {told}", _hint(counts, found))


def _hint(counts: dict[str, int], found: Verified) -> str:
    if found.is_another_logs and counts["orphaned"]:
        return (
            "another log recorded content last, and may refer to the orphaned content: "
            "verify it with the database that owns the content"
        )
    if counts["missing"] and not found.whole:
        return "nothing is there: is this where it was uploaded to? catactl config show"
    if counts["missing"] or counts["damaged"]:
        return "upload those files again: catactl file upload ORG PATH --verify"
    return "catactl blob gc"
