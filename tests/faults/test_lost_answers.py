"""A command reports what it did, even if connections break at COMMIT or the server crashes.

`CATACTL_TEST_CUTS` sets the number of commits that break, for a longer run than the default one.
"""

import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from catactl.store.sql import pipeline
from tests.cli.support import Cli, run_in_child
from tests.faults import clients
from tests.faults.clients import Attempt, Client
from tests.faults.proxy import CUTS, SILENCES, Fault, Proxy, proxied
from tests.faults.servers import KillableServer, killable_server
from tests.processes import kill, processes, receive, start
from tests.support import libpq_url, migrate

_CUTS = int(os.environ.get("CATACTL_TEST_CUTS", "40"))
_CLIENTS = 6
_ORGANIZATIONS = ("acme", "beta")
_PATIENCE_SECONDS = 30 + 5 * _CUTS


@pytest.fixture
def server() -> Iterator[KillableServer]:
    with killable_server() as server:
        migrate(server.url)
        yield server


def _faults(chance: random.Random) -> Iterator[Fault | None]:
    """Yield a fault for every third commit. Few are silences, because a silence takes seconds."""
    for number in range(_CUTS):
        yield from [None] * chance.randint(0, 4)
        yield chance.choice(SILENCES if number % 20 == 10 else CUTS)


def test_every_command_runs_once_or_not_at_all_and_reports_which(
    server: KillableServer, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(_CUTS)
    monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(server.url))
    monkeypatch.setenv("CATACTL_BLOB_URL", (tmp_path / "blobs").as_uri())
    cli = Cli()
    for org in _ORGANIZATIONS:
        cli.ok("org", "create", org)
    for number in range(_CLIENTS):
        cli.ok("file", "create", _ORGANIZATIONS[number % 2], f"file-{number}")
    with proxied(server.url) as proxy:
        monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(proxy.url(server.url)))
        over = processes.Event()
        started = [start(clients.work, _client(n, tmp_path), over) for n in range(_CLIENTS)]
        proxy.plan(*_faults(chance))
        try:
            _crash_now_and_then(server, proxy, chance)
        finally:
            over.set()
            attempts = [attempt for each in started for attempt in receive(each)]
    monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(server.url))
    complaints = _complaints(server.url, attempts)
    assert not complaints, "\n".join(complaints)
    cli.ok("usage", "check")
    cli.ok("event", "verify")
    for org in _ORGANIZATIONS:
        cli.ok("file", "verify", org)


def _client(number: int, folder: Path) -> Client:
    org = _ORGANIZATIONS[number % len(_ORGANIZATIONS)]
    return Client(number, org, folder, dict(os.environ))


def _crash_now_and_then(server: KillableServer, proxy: Proxy, chance: random.Random) -> None:
    """Crash or stop the server after every twelve cuts, until all cuts were met."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    next_crash = 6
    while (met := len(proxy.met())) < _CUTS:
        assert time.monotonic() < deadline, f"only {met} commits broke"
        if met >= next_crash:
            chance.choice([server.crash, server.stop_at_once])()
            server.start()
            next_crash += 12
        time.sleep(0.01)


def _complaints(url: URL, attempts: list[Attempt]) -> list[str]:
    """Return a line for each command whose report the database contradicts, or that failed with an
    error that is not retryable.
    """
    done = _done(url)
    complaints: list[str] = []
    for attempt in attempts:
        command = " ".join(attempt.arguments)
        if attempt.code not in (0, *clients.WORTH_A_RETRY):
            complaints.append(f"{command}: exit {attempt.code}: {attempt.stderr}")
        if attempt.unknown:
            complaints.append(f"{command}: unknown, although the server was reachable")
        differing = [
            done.get(effect.token, Counter())
            for effect, is_reported in attempt.effects
            if done.get(effect.token, Counter()) != (effect.types if is_reported else Counter())
        ]
        if differing:
            found = f"{len(differing)} effects as {dict(differing[0])}"
            complaints.append(f"{command}: exit {attempt.code}: {attempt.stderr}, but {found}")
    return complaints


def _done(url: URL) -> dict[str, Counter[str]]:
    """Return the effects in the database by token."""
    done = defaultdict[str, Counter[str]](Counter)
    with psycopg.connect(libpq_url(url)) as conn:
        for token, type_ in conn.execute("SELECT reason, type FROM events"):
            done[token][type_] += 1
        for (email,) in conn.execute("SELECT email FROM users"):
            done[email.partition("@")[0]][clients.USER] += 1
    return done


# --- one command ----------------------------------------------------------------------------------


@pytest.fixture
def proxy(postgresql_url: URL) -> Iterator[Proxy]:
    with proxied(postgresql_url) as proxy:
        yield proxy


@pytest.fixture
def cli_by_proxy(
    home: Path, postgresql_url: URL, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """Return a CLI that reaches its database through the proxy, with an organization."""
    monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(proxy.url(postgresql_url)))
    cli = Cli()
    cli.ok("org", "create", "acme")
    return cli


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize(
    ("command", "event"),
    [
        ("org create beta", "organization.created"),
        ("quota set acme 1MB", "organization.quota_set"),
        ("file create acme f", "file.created"),
        ("file create acme f --idempotency-key k", "file.created"),
        ("job create acme nightly --image i", "job_configuration.created"),
        ("user add acme ada@example.com", None),
    ],
)
def test_a_command_whose_commit_breaks_runs_once_and_reports_it(
    command: str,
    event: str | None,
    fault: Fault,
    cli_by_proxy: Cli,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "COMMIT_TIMEOUT_SECONDS", 0.5)
    proxy.plan(fault)
    done = cli_by_proxy.ok(*command.split())
    assert proxy.met() == [fault]
    if event is None:
        assert len(cli_by_proxy.ok("user", "list", "acme")) == 1
    else:
        assert event in done["events"]
        assert cli_by_proxy.events(command.split()[2]).count(event) == 1


@pytest.mark.parametrize("fault", Fault)
def test_an_upgrade_whose_commit_breaks_ends_and_is_run_again(
    fault: Fault, stranger: Cli, empty_postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "COMMIT_TIMEOUT_SECONDS", 0.5)
    upgrade = ("db", "upgrade", "--database-url")
    with proxied(empty_postgresql_url) as proxy:
        proxy.plan(fault)
        error = stranger.fails(69, *upgrade, libpq_url(proxy.url(empty_postgresql_url)))
        assert (error["hint"], proxy.met()) == ("run it again", [fault])
    assert stranger.ok(*upgrade, libpq_url(empty_postgresql_url))["ok"] is True


# --- batches --------------------------------------------------------------------------------------

_BATCHES = (("acme", 4), ("acme", 4), ("beta", 4))


def _kill(arguments: list[str], cli: Cli, proxy: Proxy, url: URL) -> None:
    """Kill a run that waits for the response to its last commit."""
    proxy.plan(*[None] * (arguments.count("--batch") * 2), Fault.SILENCE_AFTER_COMMIT)
    running = start(run_in_child, dict(os.environ), None, arguments)
    while not proxy.met():
        time.sleep(0.01)
    assert kill(running)


def _cut(arguments: list[str], cli: Cli, proxy: Proxy, url: URL) -> None:
    """Break the connection at the commit, in all ways one after the other."""
    proxy.plan(Fault.CUT_AFTER_COMMIT, None, Fault.CUT_BEFORE_COMMIT, Fault.CUT_MIDWAY)
    cli(*arguments)
    assert proxy.met()


def _refuse(arguments: list[str], cli: Cli, proxy: Proxy, url: URL) -> None:
    """Lock the organization of the last batch."""
    query = "SELECT 1 FROM logs WHERE org_id = (SELECT org_id FROM organizations WHERE name = %s)"
    with psycopg.connect(libpq_url(url)) as conn:
        conn.execute(f"{query} FOR UPDATE", ["beta"])
        assert cli(*arguments, "--lock-timeout=0").code == 75


@pytest.mark.parametrize("options", [["--batch", "4"], ["--atomic"]])
@pytest.mark.parametrize("break_off", [_kill, _cut, _refuse])
def test_an_interrupted_batch_that_is_repeated_runs_each_line_once(
    break_off: Callable[[list[str], Cli, Proxy, URL], None],
    options: list[str],
    cli_by_proxy: Cli,
    proxy: Proxy,
    postgresql_url: URL,
    tmp_path: Path,
) -> None:
    lines: list[dict[str, str]] = []
    cli_by_proxy.ok("org", "create", "beta")
    for org, count in _BATCHES:
        for _ in range(count):
            name = f"f{len(lines)}"
            lines.append({"command": "file.create", "org": org, "name": name, "key": name})
    path = tmp_path / "batch.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    arguments = ["apply", "--from", str(path), *options]
    break_off(arguments, cli_by_proxy, proxy, postgresql_url)
    proxy.plan()
    rows = cli_by_proxy.ok(*arguments)
    assert [row["status"] for row in rows] == ["ok"] * len(lines)
    events = cli_by_proxy.events("acme") + cli_by_proxy.events("beta")
    assert Counter(events)["file.created"] == len(lines)
    cli_by_proxy.ok("usage", "check")
