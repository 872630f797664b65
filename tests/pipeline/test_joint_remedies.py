"""Findings of a reconciliation that have one remedy: one command for a range, and no command twice."""

from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.pipeline.joint_remedies import Joint, joint
from etl.pipeline.verdict import Finding

DAYS = TimeScheme("day", "2026-01-01", "2026-03-31")


def run(day: str, more: str = "") -> str:
    return f"`etl run acme --pipeline orders{more} --from {day} --to {day}`"


def test_days_that_follow_each_other_have_one_command() -> None:
    days = [*DAYS.between("2026-01-30", "2026-02-02"), "2026-02-05"]
    findings = [(each, "", Finding("20 rows in the source, never extracted", run(each))) for each in days]
    assert list(joint(DAYS, findings)) == [
        Joint(
            ("2026-01-30 to 2026-02-02: 20 rows in the source, never extracted",),
            "`etl run acme --pipeline orders --from 2026-01-30 --to 2026-02-02`",
        ),
        Joint(("2026-02-05: 20 rows in the source, never extracted",), run("2026-02-05")),
    ]


def test_no_command_stands_twice() -> None:
    first, second = "2026-01-01", "2026-01-02"
    findings = [
        ("", "", Finding("7 rows belong to no day", "look at them")),
        (first, "", Finding("20 rows differ", run(first))),
        (first, "", Finding("the table has 19 rows", run(first, " --stage load"))),
        (second, "", Finding("3 rows differ", run(second))),
        (first, "not compared", Finding("an earlier release did not say from what", run(first))),
        ("", "not compared", Finding("8 days were not compared", "look at them")),
    ]
    assert list(joint(DAYS, findings)) == [
        Joint(("7 rows belong to no day", "not compared: 8 days were not compared"), "look at them"),
        Joint(
            (
                f"{first}: 20 rows differ",
                f"{first} not compared: an earlier release did not say from what",
                f"{second}: 3 rows differ",
            ),
            f"`etl run acme --pipeline orders --from {first} --to {second}`",
        ),
        Joint((f"{first}: the table has 19 rows",), run(first, " --stage load")),
    ]


def test_other_partitions_and_whole_tables() -> None:
    regions = StaticKeys("region", ("EU", "US", "AP"))
    findings = [(each, "", Finding("gone", run(each))) for each in ("EU", "US")]
    assert [each.remedy for each in joint(regions, findings)] == ["`etl run acme --pipeline orders --from EU --to US`"]
    whole = [("the table", "", Finding("gone", "`etl run acme`")), ("the table", "", Finding("old", "`etl run acme`"))]
    assert list(joint(WholeTable(), whole)) == [Joint(("the table: gone", "the table: old"), "`etl run acme`")]
