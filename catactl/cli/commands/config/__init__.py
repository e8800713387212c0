"""The commands `catactl config …`, and the path of the file that they are about."""

import os
from pathlib import Path

from catactl.config.paths import config_path, no_home


def path_of_config() -> Path:
    """Return the path of the configuration file; raise `BadConfiguration` without a home folder."""
    found = config_path(os.environ)
    if found is None:
        raise no_home(os.environ, "set HOME or XDG_CONFIG_HOME")
    return found
