"""catactl version"""

import catactl
from catactl.cli.framework.command import Context, command
from catactl.results.program import VersionResult
from catactl.results.result import Text


@command()
def version(context: Context) -> Text[VersionResult]:
    """Print the version.

    Example: catactl version
    """
    return Text([catactl.__version__], {"version": catactl.__version__})
