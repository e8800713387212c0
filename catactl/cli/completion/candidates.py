"""What may come next on a command line, for the scripts that `catactl completion` prints.

A script runs catactl with the shell's name in the environment and what was typed as arguments. The
answer is a line, `words` or `paths`, and for words a line each: the word, a tab and what it means.
Whatever goes wrong, there is no answer: nobody has asked for anything yet. So nothing is created,
migrated or waited for.
"""

import faulthandler
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from catactl.cli.completion.quoting import Line, read
from catactl.cli.framework import command_tree
from catactl.cli.framework.help_format import first_sentence
from catactl.cli.output.text import shown
from catactl.config.settings import load_settings, profile_names
from catactl.values.ids import parse_id
from catactl.values.spelling import normalized

_HERE = "\0"  # where the cursor is: in no argument of a process
_MOST_NAMES = 300
_PATIENCE_SECONDS = 1.0


class Word(NamedTuple):
    value: str
    meaning: str = ""


class Paths(Exception):
    """A path may come here: the shell knows those."""


def answer(shell: str, typed: Sequence[str]) -> str:
    """Return what the script of a shell is told."""
    try:
        if shell == "bash":
            line = Line(*typed)
            words = _words(line.before, line.typed)
            offered = [Word(quoted) for word in words if (quoted := line.ending(word.value))]
        else:
            *before, current = typed
            offered = _words(before, current if shell == "zsh" else read(current).last)
    except Paths:
        return "paths\n"
    except Exception:
        return ""
    return "words\n" + "".join(
        f"{word.value}\t{word.meaning}\n" if word.meaning else f"{word.value}\n" for word in offered
    )


def _words(before: Sequence[str], current: str) -> list[Word]:
    """The words that may stand where the cursor is: whole ones, that begin with what is typed."""
    begun = normalized(current)
    return [
        word
        for word in _candidates(list(before), current)
        if normalized(word.value).startswith(begun) and shown(word.value) == word.value
    ]


def _candidates(rest: list[str], current: str) -> Iterable[Word]:
    command: Any = command_tree.root()
    ctx = command.context_class(command, resilient_parsing=True, **command.context_settings)
    while hasattr(command, "resolve_command"):
        if not rest:
            return _options(command, ctx, {}) if current[:1] == "-" else _verbs(command, ctx)
        name, command, rest = command.resolve_command(ctx, rest)
        ctx = command.context_class(command, info_name=name, parent=ctx, resilient_parsing=True)

    # The command's own parser says which argument or option takes what stands at the cursor.
    flag, equals, value = current.partition("=")
    if not (equals and flag.startswith("--")):
        flag, equals, value = "", "", current
    given = command.make_parser(ctx).parse_args([*rest, f"{flag}{equals}{_HERE}"])[0]
    param = next((each for each in command.params if _is_here(given.get(each.name))), None)
    if param is not None and param.param_type_name == "option":
        words = _values(param, given, command.name, value)
        return (Word(f"{flag}{equals}{word.value}", word.meaning) for word in words)
    if param is None or (current.startswith("-") and "--" not in rest):
        return _options(command, ctx, given)
    words = _values(param, given, command.name, value)
    return (word for word in words if "--" in rest or not word.value.startswith("-"))


def _is_here(given: Any) -> bool:
    return given == _HERE or (isinstance(given, list | tuple) and _HERE in given)


def _verbs(group: Any, ctx: Any) -> Iterator[Word]:
    for name in group.list_commands(ctx):
        yield Word(name, first_sentence(group.get_command(ctx, name)))


def _options(command: Any, ctx: Any, given: dict[str, Any]) -> Iterator[Word]:
    for param in command.get_params(ctx):
        if param.param_type_name == "option" and (param.multiple or param.name not in given):
            yield Word(max(param.opts, key=len), param.help or "")


def _values(param: Any, given: dict[str, Any], verb: str, begun: str) -> Iterable[Word]:
    """What an argument or option takes, as far as its type or its metavar says."""
    choices = getattr(param.type, "choices", None)
    if choices is not None:
        return [Word(str(getattr(choice, "value", choice))) for choice in choices]
    metavar = (param.metavar or "").strip("[]…")
    if metavar == "PATH" or metavar.endswith("|-"):
        raise Paths
    already = given[param.name] if isinstance(given[param.name], list | tuple) else ()
    names = _names(metavar, given, begun, deleted=verb == "restore")
    return [Word(name) for name in names if name not in already]


def _names(what: str, given: dict[str, Any], begun: str, *, deleted: bool) -> Iterable[str]:
    match what:
        case "ORG" | "FILE" | "JOB" | "USER":
            return _stored_names(what.lower(), given, begun, deleted=deleted)
        case "PROFILE":
            return profile_names()
        case "VIEW":
            from catactl.wiring.flow import PROJECTIONS

            return [*(projection.NAME for projection in PROJECTIONS), "states"]
        case "NOUN|TOPIC":
            from catactl.help.topics import topic_names

            return [*command_tree.NOUNS, *command_tree.COMMANDS, *topic_names()]
        case "VERB":
            root: Any = command_tree.root()
            verbs: list[str] = root.get_command(None, given["noun"]).list_commands(None)
            return verbs
    return ()


def _stored_names(what: str, given: dict[str, Any], begun: str, *, deleted: bool) -> Sequence[str]:
    from catactl.store import migrations, name_lookup
    from catactl.store.sql.engine import open_engine, reading
    from catactl.store.sql.urls import is_known_file, parse_url

    flags = {name: given.get(name) for name in ("database_url", "database_url_file", "profile")}
    url = parse_url(load_settings(flags).database_url.value)
    if url.get_backend_name() == "sqlite" and not is_known_file(url):
        return ()
    engine = open_engine(url, lock_timeout_seconds=0)
    with _impatience(), reading(engine) as conn:
        if not migrations.is_at_head(conn):
            return ()
        if what == "org":
            return name_lookup.organization_names_from(conn, begun, _MOST_NAMES)
        org_id = parse_id(given["org"]) or name_lookup.find_organization(conn, given["org"])
        if org_id is None:
            return ()
        return name_lookup.names_from(conn, what, org_id, begun, _MOST_NAMES, deleted=deleted)


@contextmanager
def _impatience() -> Iterator[None]:
    """End the process if the block takes too long: also where no exception reaches, as when a
    driver looks up the name of a host.
    """
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(_PATIENCE_SECONDS, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
