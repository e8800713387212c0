"""Parse the environment variables of a job."""

from collections.abc import Iterable

from catactl.errors import InvalidValue


def parse_environment(pairs: Iterable[str]) -> dict[str, str]:
    """Return names and values of pairs `NAME=VALUE`; raise `InvalidValue` for a pair without `=`
    and for a name that occurs twice.
    """
    environment: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidValue(f"not an environment variable: {pair!r}", "as in KEY=VALUE")
        if name in environment:
            raise InvalidValue(f"environment variable {name!r} is given twice")
        environment[name] = value
    return environment
