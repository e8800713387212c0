"""The lines of a report equal the usage of each organization over the same period."""

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import UUID

from sqlalchemy import Engine

from catactl.domain.organization import CorrectStorageUsage, DeleteOrganization
from catactl.handling.handler import Handler
from catactl.store.canonical_json import format_instant
from catactl.store.sql.engine import reading
from catactl.usage.adjustments import adjustments
from catactl.usage.history import usage_over
from catactl.usage.report import lines
from catactl.usage.units import Unit, byte_months, decimal, in_units, rounded
from catactl.values.times import Every, Interval, parse_month
from tests.support import INTENT, Clock, create_file, create_organization, delete_file, run, upload

START = datetime(2024, 2, 10, 6, tzinfo=UTC)


def _organizations(engine: Engine, chance: random.Random) -> list[UUID]:
    org_ids = []
    for number in range(6):
        clock = Clock(START + timedelta(hours=chance.randrange(200)))
        handler = Handler(engine, clock=clock)
        org_id = create_organization(handler, f"acme-{number}")
        file_id = create_file(handler, org_id)
        org_ids.append(org_id)
        for step in range(number * 4):
            clock.advance(seconds=chance.choice([1, 3_600, 90_000, 400_000]), microseconds=step)
            upload(handler, org_id, file_id, 1, chance.randrange(10 ** chance.randint(1, 16)))
        if number == 3:
            delete_file(handler, org_id, file_id)
    return org_ids


def test_every_line_equals_the_usage_over_the_period(engine: Engine) -> None:
    chance = random.Random(3)
    org_ids = _organizations(engine, chance)
    periods = [parse_month("2024-02"), parse_month("2024-03"), parse_month("2023-01")]
    for _ in range(3):
        start = START + timedelta(seconds=chance.randint(-900_000, 4_000_000))
        end = start + timedelta(seconds=chance.randint(1, 5_000_000))
        periods += [Interval(start, end), Interval(Every.DAY.floor(start), end)]
    periods.append(Interval(datetime(1, 1, 1, 5, tzinfo=UTC), START + timedelta(days=40)))
    with reading(engine) as conn:
        for period in periods:
            expected = {org_id: usage_over(conn, org_id, period) for org_id in org_ids}
            found = {line.org_id: line for line in lines(conn, period, None)}
            for org_id, span in expected.items():
                if org_id not in found:
                    assert span.peak_bytes == 0
                    continue
                line = found[org_id]
                assert line.span == span
                assert sum(part for _, part in line.by_month) == span.byte_microseconds
                for month, part in line.by_month:
                    assert part == usage_over(conn, org_id, month).byte_microseconds
                assert list(lines(conn, period, [org_id])) == [line]


def test_a_line_covers_the_whole_period_even_if_the_organization_existed_in_a_part_of_it(
    engine: Engine,
) -> None:
    """One organization is created in the second month. One is deleted after an empty month."""
    clock = Clock(START)
    handler = Handler(engine, clock=clock)
    gone = create_organization(handler, "gone")
    for days in (30, 40):
        file_id = create_file(handler, gone, f"after-{days}")
        upload(handler, gone, file_id, 1, 1_000)
        delete_file(handler, gone, file_id)
        clock.advance(seconds=days * 86_400)
    run(handler, gone, gone, DeleteOrganization())
    late = create_organization(handler, "late")
    upload(handler, late, create_file(handler, late), 1, 500)
    period = Interval(parse_month("2024-01").start, parse_month("2024-05").end)
    months = list(Every.MONTH.buckets(period))
    with reading(engine) as conn:
        found = {line.org_id: line for line in lines(conn, period, None)}
        for org_id in (gone, late):
            assert found[org_id].span == usage_over(conn, org_id, period)
            by_month = [(each, usage_over(conn, org_id, each).byte_microseconds) for each in months]
            assert list(found[org_id].by_month) == [each for each in by_month if each[1]]


def test_a_correction_does_not_change_earlier_periods(engine: Engine) -> None:
    clock = Clock(START)
    handler = Handler(engine, clock=clock)
    org_id = create_organization(handler)
    upload(handler, org_id, create_file(handler, org_id), 1, 1_000)
    february, march = parse_month("2024-02"), parse_month("2024-03")
    with reading(engine) as conn:
        before = list(lines(conn, february, None))
    clock.now = datetime(2024, 3, 5, tzinfo=UTC)
    run(handler, org_id, org_id, CorrectStorageUsage(900, 1, 1, "test", 0))
    with reading(engine) as conn:
        assert list(lines(conn, february, None)) == before
        assert list(adjustments(conn, february, None)) == []
        (adjustment,) = adjustments(conn, march, [org_id])
    assert (adjustment["delta_bytes"], adjustment["start"]) == (-100, format_instant(clock.now))
    assert (adjustment["actor"], adjustment["reason"]) == (INTENT.actor, None)


def test_a_gigabyte_for_a_month_is_one_gigabyte_month_in_every_month() -> None:
    for text, hours in (("2023-02", 672), ("2024-02", 696), ("2024-03", 744)):
        month = parse_month(text)
        total = 10**9 * hours * 3_600 * 10**6
        amounts = in_units(total, byte_months([(month, total)]))
        assert amounts["gb_month"] == "1.000000000"
        assert amounts["byte_hours"] == 10**9 * hours
        assert amounts["gb_hours"] == f"{hours}.000000000"
        assert {unit.field for unit in Unit} == set(amounts)


def test_decimals_are_exact_and_round_halves_to_even() -> None:
    assert decimal(1, 2 * 10**9) == "0.000000000"
    assert decimal(3, 2 * 10**9) == "0.000000002"
    assert decimal(-1, 3) == "-0.333333333"
    assert decimal(10**30, 1) == f"{10**30}.000000000"
    for divisor in range(1, 8):
        for dividend in (*range(-30, 31), 10**40 + 5, -(10**40) - 5):
            assert rounded(dividend, divisor) == round(Fraction(dividend, divisor))
