"""`topology` and `version` need no database."""

import pytest

from tests.cli.support import Cli


@pytest.mark.parametrize("format_", ["tree", "mermaid", "json"])
def test_the_topology_is_printed_without_a_database(format_: str, stranger: Cli) -> None:
    result = stranger("topology", "--format", format_)
    assert (result.code, result.stderr) == (0, "")
    assert "storage_usage" in result.stdout


def test_a_topology_of_another_format_is_refused(stranger: Cli) -> None:
    stranger.fails(2, "topology", "--format", "dot")


def test_the_version_is_printed_without_a_database(stranger: Cli) -> None:
    import catactl

    assert stranger("version").stdout == f"{catactl.__version__}\n"
    assert stranger.ok("version") == {"version": catactl.__version__}
