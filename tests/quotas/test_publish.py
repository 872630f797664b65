"""What quotas refuse when a stage publishes: how much, of what, since when; nothing is lost, and the next day it goes."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from etl.errors import ConfigError, LakeError
from etl.lake.lake import Lake, open_lake
from etl.quotas.claims import Account, QuotaError, claim
from etl.quotas.quotas_file import TenantLimits, read_quotas
from etl.quotas.usage import Use, usage_of
from etl.quotas.usage_state import Claim, Counted, read_state
from etl.settings import load_settings
from tests.pipeline.stages import run_stage
from tests.quotas.conftest import NOON, write_quotas
from tests.tiny_project import TinyProject

Clock = Callable[[datetime], None]


def uses(project: TinyProject, now: datetime = NOON, tenant: str = "acme") -> dict[str, Use]:
    settings = load_settings(project.environ)
    return {each.name: each for each in usage_of(tenant, settings, open_lake(settings), now)}


def extracted(project: TinyProject) -> list[str]:
    return sorted(each.parent.name for each in (project.data / "lake" / "acme" / "extract").rglob("data.parquet"))


def test_without_a_file_nothing_is_counted(project: TinyProject) -> None:
    run_stage(project, "extract")
    assert uses(project) == {}
    assert not (project.data / "lake" / "acme" / "quota").exists()


def test_what_was_not_counted_is_unknown_and_not_zero(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 100}")
    before = uses(project)["rows_per_day"]
    assert (before.used, before.limit, before.share) == (None, 100, None)
    assert before.why_unknown
    run_stage(project, "extract")
    after = uses(project)["rows_per_day"]
    assert (after.used, after.share, after.is_partial) == (20, 0.2, True), "counting began at noon, not at midnight"
    assert after.since == NOON
    assert uses(project, NOON + timedelta(days=1))["rows_per_day"].model_dump(include={"used", "is_partial"}) == {
        "used": 0,
        "is_partial": False,
    }


def test_a_publish_that_would_pass_the_limit_is_refused_and_says_why(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "timezone: Asia/Seoul\ndefaults: {rows_per_day: 50}")
    set_clock(NOON - timedelta(days=1))
    run_stage(project, "extract", "2026-01-01", run_id="yesterday")
    set_clock(NOON)
    for day in ("2026-01-01", "2026-01-02"):
        run_stage(project, "extract", day)
    with pytest.raises(QuotaError) as refused:
        run_stage(project, "extract", "2026-01-03")
    assert refused.value.problem == (
        "acme/orders [2026-01-03] extract: nothing was published: 20 rows more would make 60 rows (120%) of the 50 rows a"
        " day that acme may publish in the stage extract, counted since 2026-03-01 00:00 Asia/Seoul"
    )
    assert "2026-03-02 00:00 Asia/Seoul, in 3 h 0 min" in refused.value.hint
    assert "raises `rows_per_day` of acme in tenants/quotas.yaml" in refused.value.hint
    assert extracted(project) == ["dt=2026-01-01", "dt=2026-01-02"]
    assert uses(project)["rows_per_day"].used == 40

    set_clock(NOON + timedelta(hours=3, seconds=1))  # it is the next day in Seoul, and the same day in London
    run_stage(project, "extract", "2026-01-03")
    assert extracted(project) == ["dt=2026-01-01", "dt=2026-01-02", "dt=2026-01-03"]


def test_a_used_up_day_is_refused_before_the_source_is_read(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 20}")
    run_stage(project, "extract", "2026-01-01")
    project.source.unlink()
    with pytest.raises(QuotaError, match=r"20 rows \(100%\) are used of the 20 rows a day"):
        run_stage(project, "extract", "2026-01-02")


def test_each_stage_has_the_whole_day(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 20}")
    for stage in ("extract", "transfer", "load"):
        run_stage(project, stage)
    assert uses(project)["rows_per_day"].used == 20


def test_an_object_larger_than_a_day_says_that_no_day_helps(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 19}")
    with pytest.raises(QuotaError, match="this object alone has 20 rows") as refused:
        run_stage(project, "extract")
    assert refused.value.until is None
    assert "no later day has room for it, so nothing is started again" in refused.value.hint
    settings = load_settings(project.environ)
    state = read_state("acme", open_lake(settings))
    assert state is None or not state.refused, "what can never go through is not continued by itself"


def test_a_limit_that_is_raised_holds_at_once(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 30}")
    run_stage(project, "extract", "2026-01-01")
    with pytest.raises(QuotaError):
        run_stage(project, "extract", "2026-01-02")
    settings = load_settings(project.environ)
    state = read_state("acme", open_lake(settings))
    assert state is not None
    assert [(each.partition, each.quota, each.amount.rows) for each in state.refused] == [
        ("2026-01-02", "rows_per_day", 20)
    ]
    write_quotas(project, "defaults: {rows_per_day: 30}\ntenants: {acme: {rows_per_day: null}}")
    run_stage(project, "extract", "2026-01-02")
    assert uses(project)["rows_per_day"].limit is None
    write_quotas(project, "defaults: {rows_per_day: 10}")
    lowered = uses(project)["rows_per_day"]
    assert (lowered.used, lowered.share) == (40, 4.0)
    state = read_state("acme", open_lake(settings))
    assert state is not None
    assert not state.refused, "what was published is not refused any more"


def test_two_runs_that_together_pass_the_limit_do_not_both_publish(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 30}")
    outcomes: dict[str, object] = {}
    together = threading.Barrier(2)

    def work(day: str) -> None:
        together.wait()
        try:
            outcomes[day] = run_stage(project, "extract", day, run_id=f"run-{day}").rows
        except QuotaError as error:
            outcomes[day] = error.quota

    threads = [threading.Thread(target=work, args=(day,)) for day in ("2026-01-01", "2026-01-02")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(map(str, outcomes.values())) == ["20", "rows_per_day"]
    assert uses(project)["rows_per_day"].used == 20


def test_a_publish_that_fails_is_not_counted(
    project: TinyProject, set_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_quotas(project, "defaults: {rows_per_day: 30}")

    def fail(*_: object, **__: object) -> None:
        raise LakeError("the disk is full")

    publish = Lake.publish
    monkeypatch.setattr(
        Lake, "publish", lambda self, ref, *rest: fail() if ref.stage == "extract" else publish(self, ref, *rest)
    )
    with pytest.raises(LakeError, match="the disk is full"):
        run_stage(project, "extract")
    monkeypatch.undo()
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    assert uses(project)["rows_per_day"].used == 0


def test_a_run_that_was_killed_before_it_published_counts_once(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 30}")

    class Killed(BaseException):
        """Nothing is done after it."""

    publish = Lake.publish

    def killed(self: Lake, ref: object, *rest: object) -> object:
        if getattr(ref, "stage", "") == "extract":
            raise Killed
        return publish(self, ref, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "publish", killed)
        with pytest.raises(Killed):
            run_stage(project, "extract", run_id="killed")
    assert uses(project)["rows_per_day"].used == 20, "it is not known yet whether it was published"
    set_clock(NOON + timedelta(minutes=10))
    run_stage(project, "extract", run_id="again")
    assert uses(project)["rows_per_day"].used == 20


def test_a_lake_without_room_refuses_and_deletes_nothing(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {}")
    run_stage(project, "extract", "2026-01-01")
    objects = project.published()
    size = sum(each.stat().st_size for each in objects if "quota" not in each.parts)
    write_quotas(project, f"defaults: {{lake_bytes: {size + 1000}}}")
    with pytest.raises(QuotaError, match=r"the lake holds .* of acme, measured at .* would pass the limit") as refused:
        run_stage(project, "extract", "2026-01-02")
    assert refused.value.until is None
    assert [each for each in project.published() if "quota" not in each.parts] == [
        each for each in objects if "quota" not in each.parts
    ]
    run_stage(project, "extract", "2026-01-01", run_id="the same rows again")  # no larger than what it replaces


def test_a_damaged_count_refuses_and_says_what_to_do(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults: {rows_per_day: 100}")
    run_stage(project, "extract", "2026-01-01")
    (path,) = (project.data / "lake" / "acme" / "quota").rglob("*.parquet")
    path.write_bytes(b"damaged")
    with pytest.raises(LakeError, match="it is not known whether there is room"):
        run_stage(project, "extract", "2026-01-02")
    with pytest.raises(LakeError, match="it is not known whether there is room"):
        uses(project)


def test_a_file_that_cannot_be_read_refuses_every_publish(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "defaults:\n  rows_per_dya: 100\ntenants:\n  acme: {lake_bytes: 20 GX, rows_per_day: -1}\n")
    with pytest.raises(ConfigError) as wrong:
        run_stage(project, "extract")
    text = str(wrong.value)
    for said in (
        "unknown key `rows_per_dya`; did you mean `rows_per_day`? at ",
        "quotas.yaml:2:3",
        "`tenants.acme.lake_bytes`: `20 GX` is no amount of bytes",
        "quotas.yaml:4:10",
        "`tenants.acme.rows_per_day`: ",
    ):
        assert said in text


@pytest.mark.parametrize(
    "entry", ["{rows_per_day: -1}", "{row_per_day: 1}", "{rows_per_day: 1, rows_per_day: 2}", "[1]", ""]
)
def test_a_mistake_in_the_entry_of_one_tenant_refuses_that_tenant_only(
    project: TinyProject, set_clock: Clock, entry: str
) -> None:
    write_quotas(
        project, f"defaults: {{rows_per_day: 30}}\ntenants:\n  acme: {{rows_per_day: 25}}\n  globex: {entry}\n"
    )
    run_stage(project, "extract", "2026-01-01")
    assert uses(project)["rows_per_day"].limit == 25
    with pytest.raises(ConfigError, match=r"quotas\.yaml:4:"):
        uses(project, tenant="globex")
    write_quotas(
        project, f"tenants:\n  acme: {entry}\n  globex: {{rows_per_day: 25}}\ndefaults: {{rows_per_day: 30}}\n"
    )
    with pytest.raises(ConfigError, match=r"quotas\.yaml:2:"):
        run_stage(project, "extract", "2026-01-02")


@pytest.mark.parametrize(
    ("text", "mistaken"),
    [
        ("tenants: {acme: {}, beta: {rows_per_day: 1, rows_per_day: 2}}", {"beta"}),
        ("tenants: {acme: {rows_per_day: 1}, beta: {}, acme: {}}", {"acme"}),
        ("tenants:\n  acme: {}\n  beta: {}\n  acme: {}\n", {"acme"}),
        ("tenants:\n  acme: {[1]: 2}\n  beta: {rows_per_day: yes}", {"acme", "beta"}),
        ("tenants:\n  acme: {}\ndefaults: {}\ndefaults: {}\n", None),
        ("defaults: {rows_per_day: 1, rows_per_day: 2}\ntenants:\n  acme: {}\n", None),
        ("tenants:\n  acme: {}\ntenants:\n  beta: {}\n", None),
        ("tenants: [acme]", None),
        ("[]", None),
        ("tenants:\n\tacme: {}", None),
        ("", None),
        ("# defaults: {rows_per_day: 1}\n", None),
        ("defaults: {}\n", set()),
    ],
)
def test_a_mistake_is_of_the_entry_in_which_it_is_written(
    project: TinyProject, text: str, mistaken: set[str] | None
) -> None:
    """None: it is about each tenant. A key that is written twice is a mistake of YAML itself, and has only a place."""
    write_quotas(project, text)
    settings = load_settings(project.environ)
    if mistaken is None:
        with pytest.raises(ConfigError, match="no tenant's quota is known"):
            read_quotas(settings)
    else:
        quotas = read_quotas(settings)
        assert quotas is not None
        assert quotas.mistaken == mistaken


def test_a_zone_that_changes_moves_no_row_to_another_day(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "timezone: UTC\ndefaults: {rows_per_day: 100}")
    set_clock(datetime(2026, 3, 1, 14, tzinfo=UTC))  # 23:00 in Seoul
    run_stage(project, "extract", "2026-01-01")
    set_clock(datetime(2026, 3, 1, 16, tzinfo=UTC))  # 01:00 of the next day in Seoul
    run_stage(project, "extract", "2026-01-02")
    late = datetime(2026, 3, 1, 17, tzinfo=UTC)
    assert uses(project, late)["rows_per_day"].used == 40
    write_quotas(project, "timezone: Asia/Seoul\ndefaults: {rows_per_day: 100}")
    assert uses(project, late)["rows_per_day"].used == 20
    write_quotas(project, "timezone: UTC\ndefaults: {rows_per_day: 100}\ntenants: {acme: {timezone: Asia/Seoul}}")
    assert uses(project, late)["rows_per_day"].used == 20


def test_a_day_with_23_hours_ends_at_midnight(project: TinyProject, set_clock: Clock) -> None:
    write_quotas(project, "timezone: Europe/Berlin\ndefaults: {rows_per_day: 20}")
    set_clock(datetime(2026, 3, 28, 23, 30, tzinfo=UTC))  # 00:30 on 29 March, when clocks go forward
    run_stage(project, "extract", "2026-01-01")
    set_clock(datetime(2026, 3, 29, 21, 59, tzinfo=UTC))  # 23:59 in summer time
    with pytest.raises(QuotaError, match=r"counted since 2026-03-29 00:30 Europe/Berlin"):
        run_stage(project, "extract", "2026-01-02")
    set_clock(datetime(2026, 3, 29, 22, tzinfo=UTC))
    run_stage(project, "extract", "2026-01-02")


def test_the_count_stays_small_after_many_runs(project: TinyProject, set_clock: Clock) -> None:
    settings = load_settings(project.environ)
    lake = open_lake(settings)
    for number in range(40):
        at = NOON + timedelta(minutes=10 * number)
        want = Claim(
            run_id=f"r{number}",
            stage="extract",
            pipeline="orders",
            partition=str(number),
            amount=Counted(rows=1),
            at=at,
        )
        claim(Account("acme", "acme/orders", lake, TenantLimits(), lambda: 0, lambda: None), want)
    state = read_state("acme", lake)
    assert state is not None
    assert len(state.open) <= 8
    assert state.used(NOON)["extract"].rows == 40
    lake.close()
