"""Compare processes, from start to exit, with scripts that do only the necessary work."""

import compileall
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from sqlalchemy import URL, make_url

from catactl.cli.framework.command_tree import COMPLETION_VARIABLE
from catactl.domain.organization import CreateOrganization
from catactl.handling.handler import Handler, utc_now
from catactl.handling.unit_of_work import Outcome
from catactl.store.sql.engine import open_engine
from catactl.store.sql.urls import parse_url
from catactl.values.ids import new_id
from tests.benchmarks.commands import INTENT
from tests.benchmarks.figures import Figure, alternate, compare
from tests.benchmarks.servers import postgresql_database, upgrade
from tests.support import handle

ROOT = Path(__file__).parents[2]
_TIMES = 21
CATACTL = "import sys; from catactl.__main__ import main; sys.exit(main())"  # the installed script
_IMPORT_TYPER = "import typer"
_READ_ONE_ROW = """
import sys, typer, sqlalchemy
with sqlalchemy.create_engine(sys.argv[1]).connect() as conn:
    query = sqlalchemy.text("SELECT * FROM organizations WHERE name = 'acme'")
    print(conn.execute(query).one())
"""


def measure_without_database(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl --help` and `catactl version` / a script that imports Typer."""
    with tempfile.TemporaryDirectory() as folder:
        environment = prepare(folder)
        for argument in ("--help", "version"):
            yield _measure(
                f"catactl {argument} / import typer",
                [CATACTL, argument],
                [_IMPORT_TYPER],
                environment,
                target=1.5,
            )


def measure_sqlite(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl org show` on SQLite / a script that imports Typer and SQLAlchemy and reads it."""
    with tempfile.TemporaryDirectory() as folder:
        url = make_url(f"sqlite:///{folder}/catactl.db")
        upgrade(url)
        yield _measure_org_show("catactl org show, SQLite", url, url, folder)


def measure_postgresql(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl org show` on PostgreSQL / the same script with psycopg."""
    with tempfile.TemporaryDirectory() as folder, postgresql_database(server) as url:
        given = url.set(drivername="postgresql")
        yield _measure_org_show("catactl org show, PostgreSQL", given, url, folder)


def measure_completion(server: URL, seconds: float) -> Iterator[Figure]:
    """The completion of `catactl org show a` and TAB / `catactl org list`, on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        url = make_url(f"sqlite:///{folder}/catactl.db")
        upgrade(url)
        environment = prepare(folder) | {"CATACTL_DATABASE_URL": str(url)}
        milliseconds([CATACTL, "org", "create", "acme"], environment)
        arguments = ("org", "show", "a")
        yield _measure(
            "completion of an organization / org list",
            [f"import os; os.environ['{COMPLETION_VARIABLE}'] = 'fish'; {CATACTL}", *arguments],
            [CATACTL, "org", "list"],
            environment,
            target=1.25,
        )


def _measure_org_show(name: str, url: URL, script_url: URL, folder: str) -> Figure:
    engine = open_engine(parse_url(url.render_as_string(hide_password=False)))
    org_id, now = new_id(utc_now()), utc_now()

    def present(outcome: Outcome) -> dict[str, object]:
        return {}

    handle(Handler(engine), org_id, CreateOrganization("acme", now), INTENT, present)
    engine.dispose()
    environment = prepare(folder)
    environment["CATACTL_DATABASE_URL"] = url.render_as_string(hide_password=False)
    return _measure(
        f"{name} / one row read",
        [CATACTL, "org", "show", "acme"],
        [_READ_ONE_ROW, script_url.render_as_string(hide_password=False)],
        environment,
        target=1.25,
    )


def prepare(folder: str) -> dict[str, str]:
    """Compile the package. Return an environment without the settings of the user."""
    compileall.compile_dir(ROOT / "catactl", quiet=1)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("CATACTL_")
    }
    return environment | {
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": folder,
        "XDG_DATA_HOME": folder,
    }


def _measure(
    name: str, ours: list[str], yardstick: list[str], environment: dict[str, str], target: float
) -> Figure:
    for script in (ours, yardstick):
        milliseconds(script, environment)  # byte code and the disk's cache
    pairs = alternate(
        lambda: milliseconds(ours, environment),
        lambda: milliseconds(yardstick, environment),
        times=_TIMES,
    )
    return compare(name, "ms", pairs, target, larger_is_better=False)


def milliseconds(script: list[str], environment: dict[str, str]) -> float:
    """Run a script, with its arguments, in a new interpreter."""
    started = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", *script], env=environment, capture_output=True, check=False
    )
    elapsed = perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{script[1:]} failed: {done.stderr.decode().strip()}")
    return elapsed * 1000
