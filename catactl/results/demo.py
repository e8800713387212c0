"""The result of the demo."""

from catactl.results.usage import CurrentUsage, UsageFinding


class DemoResult(CurrentUsage, UsageFinding):  # type: ignore[misc]
    """Usage after the demo, its check, and the comparison of the files."""

    commands: int
    files_compared: int
    files_same: int
    content_problems: int
    seconds_millis: int
