"""catactl config show"""

from contextlib import suppress

from catactl.cli.framework.command import Context, command
from catactl.config.masking import mask, mask_url
from catactl.config.settings import Setting
from catactl.errors import BadConfiguration
from catactl.results.program import SettingResult

_URLS = ("database_url", "blob_url")


@command()
def show(context: Context) -> list[SettingResult]:
    """Show each setting and where its value comes from. Passwords are masked.

    Example: catactl config show
    """
    settings = context.settings
    shown: dict[str, Setting | None] = {
        "profile": settings.profile,
        "database_url": settings.database_url,
        "blob_url": None,
        "actor": settings.actor,
        "output": context.output_setting,
        "log_format": settings.log_format,
        "lock_timeout": settings.lock_timeout,
    }
    with suppress(BadConfiguration):  # the URL of the database is invalid
        shown["blob_url"] = context.blob_url_setting
    return [
        {
            "name": name,
            "value": _masked(name, setting.value) if setting is not None else None,
            "origin": mask(setting.origin) if setting is not None else "default",
        }
        for name, setting in shown.items()
    ]


def _masked(name: str, value: str) -> str:
    return mask_url(value) if name in _URLS else mask(value)
