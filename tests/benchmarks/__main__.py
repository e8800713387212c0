"""Measure catactl. Each benchmark runs alternately with a yardstick: `catactl …` / `yardstick`.

    python -m tests.benchmarks [NAME ...] [--seconds SECONDS]

Absolute figures differ between machines and hours, so the ratio is the result: the median ratio of
the pairs, or of their differences if the name contains "less". Nothing is asserted. The verdict
"short" means that a target was missed.
"""

import argparse
from collections.abc import Callable, Iterator

from sqlalchemy import URL

from tests.benchmarks import batch, content, growth, rows, start_up, throughput, usage
from tests.benchmarks.figures import Figure
from tests.benchmarks.servers import postgresql_server

BENCHMARKS: dict[str, Callable[[URL, float], Iterator[Figure]]] = {
    "one-process": throughput.measure_one_process,
    "eight-processes": throughput.measure_eight_processes,
    "apply-sqlite": batch.measure_sqlite,
    "apply-postgresql": batch.measure_postgresql,
    "long-stream": growth.measure_long_stream,
    "million-events": growth.measure_million_events,
    "usage-check": usage.measure_check,
    "usage-report": usage.measure_report,
    "usage-as-of": usage.measure_as_of,
    "projection-check": rows.measure_projection_check,
    "start-up": start_up.measure_without_database,
    "start-up-sqlite": start_up.measure_sqlite,
    "start-up-postgresql": start_up.measure_postgresql,
    "completion": start_up.measure_completion,
    "upload-large": content.measure_upload_large,
    "upload-small": content.measure_upload_small,
    "download-large": content.measure_download_large,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure catactl, and compare each figure with a yardstick.",
        epilog="; ".join(f"{name}: {measure.__doc__}" for name, measure in BENCHMARKS.items()),
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="duration of each measurement of throughput (3)"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    print(_row("", "ours", "yardstick", "ratio", "target", ""), flush=True)
    with postgresql_server() as server:
        for name in arguments.names or BENCHMARKS:
            for figure in BENCHMARKS[name](server, arguments.seconds):
                print(_described(figure), flush=True)


def _described(figure: Figure) -> str:
    sign = ">=" if figure.larger_is_better else "<="
    digits = 0 if figure.ours >= 100 else 2
    return _row(
        figure.name,
        f"{figure.ours:,.{digits}f} {figure.unit}",
        f"{figure.yardstick:,.{digits}f} {figure.unit}",
        f"{figure.ratio:.2f}",
        f"{sign} {figure.target}" if figure.target is not None else "",
        figure.verdict,
    )


def _row(name: str, ours: str, yardstick: str, ratio: str, target: str, verdict: str) -> str:
    return f"{name:46}{ours:>13}{yardstick:>13}{ratio:>7}{target:>9}  {verdict}".rstrip()


if __name__ == "__main__":
    main()
