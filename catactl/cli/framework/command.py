"""Declaring a verb: one decorator gives it the options that every command takes.

Typer refuses a group's option after the verb, so each leaf declares them all; this is where that is
done once. Annotations are read at run time, so modules here import what they annotate with.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from catactl.cli.framework.context import Context, Options
from catactl.cli.framework.help_format import EVERY_COMMAND, MOST, WRITES, CatactlCommand
from catactl.cli.output.render import ReaderGone
from catactl.config.settings import LogFormat, OutputFormat


def _common(flag: str, *short: str, **settings: Any) -> Any:
    return typer.Option(flag, *short, rich_help_panel=EVERY_COMMAND, **settings)


def _of_writes(flag: str, **settings: Any) -> Any:
    return typer.Option(flag, rich_help_panel=WRITES, **settings)


_READ_OPTIONS: dict[str, Any] = {
    "database_url": Annotated[
        str | None,
        _common("--database-url", metavar="URL", help="Database (CATACTL_DATABASE_URL)."),
    ],
    "database_url_file": Annotated[
        str | None,
        _common(
            "--database-url-file",
            metavar="PATH",
            help="File that holds the URL (CATACTL_DATABASE_URL_FILE).",
        ),
    ],
    "profile": Annotated[
        str | None,
        _common("--profile", metavar="PROFILE", help="Profile of config.toml (CATACTL_PROFILE)."),
    ],
    "output": Annotated[
        OutputFormat | None,
        _common("--output", "-o", metavar="FORMAT", help="table, json, jsonl, csv, tsv or id."),
    ],
    "json": Annotated[bool, _common("--json", help="The same as -o json.")],
    "quiet": Annotated[bool, _common("--quiet", "-q", help="Print nothing but errors.")],
    "verbose": Annotated[
        bool, _common("--verbose", "-v", help="Say on stderr what was used and done.")
    ],
    "log_format": Annotated[
        LogFormat | None,
        _common("--log-format", metavar="FORMAT", help="Of stderr: text or json."),
    ],
    "no_color": Annotated[bool, _common("--no-color", help="No colors (NO_COLOR).")],
    "lock_timeout": Annotated[
        float | None,
        _common(
            "--lock-timeout",
            metavar="SECONDS",
            help="How long to wait for a lock; 0: not at all. [default: 30]",
        ),
    ],
}
_WRITE_OPTIONS: dict[str, Any] = {
    "dry_run": Annotated[bool, _of_writes("--dry-run", help="Do it all, then roll it back.")],
    "idempotency_key": Annotated[
        str | None,
        _of_writes(
            "--idempotency-key",
            metavar="KEY",
            help="Run the request once, however often it is repeated with KEY.",
        ),
    ],
    "actor": Annotated[
        str | None, _of_writes("--actor", metavar="NAME", help="Who does it (CATACTL_ACTOR).")
    ],
    "reason": Annotated[
        str | None, _of_writes("--reason", metavar="TEXT", help="Why, kept with the events.")
    ],
}
_CONTENT_OPTION: dict[str, Any] = {
    "blob_url": Annotated[
        str | None,
        typer.Option("--blob-url", metavar="URL", help="Where content is (CATACTL_BLOB_URL)."),
    ]
}
_VERSION_OPTION: dict[str, Any] = {
    "expected_version": Annotated[
        int | None,
        typer.Option(
            "--expected-version", metavar="N", min=0, help="Refuse unless it is at this version."
        ),
    ]
}
_YES_OPTION: dict[str, Any] = {
    "yes": Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
}

Verb = Callable[..., int | None]


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    writes: bool = False,
    versioned: bool = False,
    destructive: bool = False,
    content: bool = False,
    grows: bool = False,
) -> Callable[[Verb], Verb]:
    """Register a function `(run, …)` as a verb; it may return an exit code.

    Every parameter after `run` is an argument or option of the verb. `versioned` adds
    --expected-version, `destructive` adds --yes, `content` adds --blob-url. A verb that `grows` the
    database or its content does not use the reserve; other verbs may.
    """
    options = dict(_READ_OPTIONS)
    if content:
        options |= _CONTENT_OPTION
    if writes:
        options |= _WRITE_OPTIONS
    if versioned:
        options |= _VERSION_OPTION
    if destructive:
        options |= _YES_OPTION

    def register(verb: Verb) -> Verb:
        command_name = name or verb.__name__.rstrip("_").replace("_", "-")
        hints = get_type_hints(verb, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in list(inspect.signature(verb).parameters.values())[1:]
        ]

        def callback(**given: Any) -> int:
            common = Options(**{option: given.pop(option) for option in options})
            run = Context(common, finishes=writes or content, grows=grows)
            try:
                return verb(run, **given) or 0
            except BrokenPipeError as error:
                raise ReaderGone from error
            finally:
                run.finish()

        keyword = inspect.Parameter.KEYWORD_ONLY
        callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [parameter.replace(kind=keyword) for parameter in own]
            + [
                inspect.Parameter(
                    option,
                    keyword,
                    default=getattr(Options(), option),
                    annotation=annotation,
                )
                for option, annotation in options.items()
            ]
        )
        callback.__annotations__ = {
            parameter.name: parameter.annotation for parameter in own
        } | options
        callback.__doc__ = verb.__doc__
        app.command(command_name, cls=CatactlCommand)(callback)
        return verb

    return register


AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="As it was then: 2026-01-31T12:00:00Z, -7d."),
]
AtVersion = Annotated[
    int | None,
    typer.Option("--at-version", metavar="N", min=1, max=MOST, help="As it was at a version."),
]
Org = Annotated[str, typer.Argument(metavar="ORG", help="Organization, by name or id.")]
