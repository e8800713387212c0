"""catactl config path"""

from catactl.cli.commands.config import path_of_config
from catactl.cli.framework.command import Context, command
from catactl.results.program import ConfigPath
from catactl.results.result import Text


@command(needs_settings=False)
def path(context: Context) -> Text[ConfigPath]:
    """Print the path of the configuration file, even if the file does not exist.

    Example: catactl config path
    """
    found = str(path_of_config())
    return Text([found], {"path": found})
