"""What verifying content found, as a result."""

from typing import Any

from catactl.cli.run import Run
from catactl.cli.shapes import PROBLEM
from catactl.content.verify import Verified
from catactl.domain.sizes import format_size
from catactl.errors import Findings


def report(run: Run, found: Verified) -> None:
    """Print what was found; raise `Findings` if anything is wrong."""
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
    run.note(f"{found.blobs:,} blobs read, {format_size(found.read_bytes)}")
    if found.problems:
        told = ", ".join(f"{count:,} {problem}" for problem, count in counts.items() if count)
        raise Findings(f"content is not what the log says: {told}", _hint(counts))


def _hint(counts: dict[str, int]) -> str:
    if counts["missing"] or counts["damaged"]:
        return "upload those files again: catactl file upload ORG PATH --verify"
    return "catactl blob gc"
