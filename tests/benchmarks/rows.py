"""Compare `catactl projection check` with `catactl event verify`, which reads the same events."""

import tempfile
from collections.abc import Iterator

from sqlalchemy import URL, make_url

from tests.benchmarks.batch import Applying
from tests.benchmarks.figures import Figure, alternate, compare
from tests.benchmarks.servers import postgresql_database, upgrade
from tests.benchmarks.start_up import CATACTL, milliseconds, prepare

_TIMES = 3
_TARGET = 3.0


def measure_projection_check(server: URL, seconds: float) -> Iterator[Figure]:
    """`catactl projection check` of 200,000 events and 100,000 parts / `catactl event verify`."""
    with tempfile.TemporaryDirectory() as folder:
        url = make_url(f"sqlite:///{folder}/catactl.db")
        upgrade(url)
        yield _figure("projection check, SQLite / event verify", url, folder)
    with tempfile.TemporaryDirectory() as folder, postgresql_database(server) as url:
        yield _figure(
            "projection check, PostgreSQL / event verify", url.set(drivername="postgresql"), folder
        )


def _figure(name: str, url: URL, folder: str) -> Figure:
    Applying(url, folder)
    environment = prepare(folder)
    environment["CATACTL_DATABASE_URL"] = url.render_as_string(hide_password=False)

    def run(*arguments: str) -> float:
        return milliseconds([CATACTL, *arguments], environment)

    pairs = alternate(lambda: run("projection", "check"), lambda: run("event", "verify"), _TIMES)
    return compare(name, "ms", pairs, _TARGET, larger_is_better=False)
