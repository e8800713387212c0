"""Find the completions of a command line, for the scripts that `catactl completion` prints.

A script runs catactl with the name of the shell in the environment and the unfinished command line
as arguments. The output is a line, `words` or `paths`, and then a line for each word: the word, a
tab and its description. On an error the output is empty. Completion never creates or migrates a
database, and does not wait for locks.
"""

import faulthandler
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from catactl.cli.completion.quoting import BashLine, parse_line
from catactl.cli.framework import command_tree
from catactl.cli.framework.help_format import first_sentence
from catactl.cli.output.text import shown
from catactl.config.settings import load_settings, profile_names
from catactl.values.ids import parse_id
from catactl.values.spelling import normalized

_CURSOR = "\0"  # marks the cursor, because no argument of a process can contain it
_MAX_NAMES = 300
_TIMEOUT_SECONDS = 1.0


class Candidate(NamedTuple):
    word: str
    description: str = ""


class PathExpected(Exception):
    """Raised where a path is expected, which the shell completes."""


def complete(shell: str, typed: Sequence[str]) -> str:
    """Return the output for the script of a shell, given the arguments that it passes."""
    try:
        if shell == "bash":
            line = BashLine(*typed)
            words = [each.word for each in _matching(line.before, line.unfinished)]
            candidates = [Candidate(text) for word in words if (text := line.completion(word))]
        else:
            *before, current = typed
            unfinished = current if shell == "zsh" else parse_line(current).unfinished
            candidates = _matching(before, unfinished)
    except PathExpected:
        return "paths\n"
    except Exception:
        return ""
    return "".join(f"{line}\n" for line in ("words", *map("\t".join, map(_fields, candidates))))


def _fields(candidate: Candidate) -> tuple[str, ...]:
    return candidate if candidate.description else candidate[:1]


def _matching(before: Sequence[str], unfinished: str) -> list[Candidate]:
    """Return the candidates that begin with the unfinished word and contain only printed
    characters.
    """
    prefix = normalized(unfinished)
    return [
        candidate
        for candidate in _candidates(list(before), unfinished)
        if normalized(candidate.word).startswith(prefix) and shown(candidate.word) == candidate.word
    ]


def _candidates(rest: list[str], current: str) -> Iterable[Candidate]:
    command: Any = command_tree.root()
    ctx = command.context_class(command, resilient_parsing=True, **command.context_settings)
    while hasattr(command, "resolve_command"):
        if not rest:
            return _options(command, ctx, {}) if current[:1] == "-" else _verbs(command, ctx)
        name, command, rest = command.resolve_command(ctx, rest)
        ctx = command.context_class(command, info_name=name, parent=ctx, resilient_parsing=True)

    # The command's own parser finds the argument or option at the cursor.
    flag, equals, value = current.partition("=")
    if not (equals and flag.startswith("--")):
        flag, equals, value = "", "", current
    given = command.make_parser(ctx).parse_args([*rest, f"{flag}{equals}{_CURSOR}"])[0]
    param = next((each for each in command.params if _is_at_cursor(given.get(each.name))), None)
    if param is not None and param.param_type_name == "option":
        words = _values(param, given, command.name, value)
        return (Candidate(f"{flag}{equals}{word}") for word in words)
    if param is None or (current.startswith("-") and "--" not in rest):
        return _options(command, ctx, given)
    words = _values(param, given, command.name, value)
    return (Candidate(word) for word in words if "--" in rest or not word.startswith("-"))


def _is_at_cursor(given: Any) -> bool:
    return given == _CURSOR or (isinstance(given, list | tuple) and _CURSOR in given)


def _verbs(group: Any, ctx: Any) -> Iterator[Candidate]:
    for name in group.list_commands(ctx):
        yield Candidate(name, first_sentence(group.get_command(ctx, name)))


def _options(command: Any, ctx: Any, given: dict[str, Any]) -> Iterator[Candidate]:
    for param in command.get_params(ctx):
        if param.param_type_name == "option" and (param.multiple or param.name not in given):
            yield Candidate(max(param.opts, key=len), param.help or "")


def _values(param: Any, given: dict[str, Any], verb: str, prefix: str) -> Iterable[str]:
    """Return the values of an argument or option that its type or its metavar names."""
    choices = getattr(param.type, "choices", None)
    if choices is not None:
        return [str(getattr(choice, "value", choice)) for choice in choices]
    metavar = (param.metavar or "").strip("[]…")
    if metavar == "PATH" or metavar.endswith("|-"):
        raise PathExpected
    already = given[param.name] if isinstance(given[param.name], list | tuple) else ()
    names = _names(metavar, given, prefix, deleted=verb == "restore")
    return [name for name in names if name not in already]


def _names(metavar: str, given: dict[str, Any], prefix: str, *, deleted: bool) -> Iterable[str]:
    match metavar:
        case "ORG" | "FILE" | "JOB" | "USER":
            return _stored_names(metavar.lower(), given, prefix, deleted=deleted)
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


def _stored_names(kind: str, given: dict[str, Any], prefix: str, *, deleted: bool) -> Sequence[str]:
    from catactl.store import migrations, name_lookup
    from catactl.store.sql.engine import open_engine, reading
    from catactl.store.sql.urls import is_known_file, parse_url

    flags = {name: given.get(name) for name in ("database_url", "database_url_file", "profile")}
    url = parse_url(load_settings(flags).database_url.value)
    if url.get_backend_name() == "sqlite" and not is_known_file(url):
        return ()
    engine = open_engine(url, lock_timeout_seconds=0)
    with _timeout(), reading(engine) as conn:
        if not migrations.is_at_head(conn):
            return ()
        if kind == "org":
            return name_lookup.organization_names_from(conn, prefix, _MAX_NAMES)
        org_id = parse_id(given["org"]) or name_lookup.find_organization(conn, given["org"])
        if org_id is None:
            return ()
        return name_lookup.names_from(conn, kind, org_id, prefix, _MAX_NAMES, deleted=deleted)


@contextmanager
def _timeout() -> Iterator[None]:
    """Exit the process if the block takes too long. An exception would not interrupt a driver that
    resolves a host name.
    """
    with open(os.devnull, "w") as null:
        faulthandler.dump_traceback_later(_TIMEOUT_SECONDS, exit=True, file=null)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
