"""The commands `catactl blob …`, and code that several of them share."""

from datetime import datetime, timedelta
from typing import Annotated

from typer import Option

from catactl.cli.framework.context import Context
from catactl.errors import InvalidValue
from catactl.values.durations import parse_age

OlderThan = Annotated[
    str, Option("--older-than", metavar="D", help="Minimum age: 12h, 30d or 4w; 0: any age.")
]


def moment_before(context: Context, older_than: str) -> datetime:
    """Return the moment at that age; raise `InvalidValue` if it is before year 1."""
    age_seconds = parse_age(older_than)
    try:
        return context.now() - timedelta(seconds=age_seconds)
    except OverflowError:
        raise InvalidValue(f"--older-than {older_than} is before all time") from None
