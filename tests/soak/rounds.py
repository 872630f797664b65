"""The rounds: change the sources, start runs of each tenant, kill some process; now and then let all days run in peace.

Belongs here: what happens when. Not here: processes (`processes`), what has to hold (`watch` at any moment, `judge` when
all is quiet).

A run is started in one of two ways: put into the queue, from where the daemon starts it in a code server that lives on;
or by `etl run`, which starts the run's process itself. All of them may be killed.
"""

import contextlib
import hashlib
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from dagster import DagsterInstance

from tests.soak.judge import rows_of_all, wrong
from tests.soak.processes import BIN, Kill, Running, Servers, ended, kill, processes, said_of_failure, unfinished
from tests.soak.run_queue import Queue
from tests.soak.watch import Watcher
from tests.soak.world import DAYS, JOBS, TENANTS, World

SECONDS_FOR_A_ROUND = 300
ROUNDS_BETWEEN_JUDGEMENTS = 25
ROUNDS_BETWEEN_CONTESTS = 6
STAGES = ("extract", "transfer", "load")
EXPECTED_FAILURES = ("Another run has published", "OvertakenError")


@dataclass
class Figures:
    """What a soak did."""

    rounds: int = 0
    kills: list[Kill] = field(default_factory=list)
    starts: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    dead: int = 0
    survived: int = 0
    refused: int = 0
    judgements: int = 0
    contests: int = 0
    looks: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = Counter(each.kind for each in self.kills)
        stages = Counter(f"{each.kind}: {each.stage}" for each in self.kills)
        return "\n".join(
            [
                f"{self.rounds} rounds in {self.seconds:.0f} s ({self.seconds / max(1, self.rounds):.1f} s a round)",
                f"runs: {sum(self.runs.values())} ({_counts(self.runs)}); started by: {_counts(self.starts)}",
                f"kills: {len(self.kills)} ({_counts(kinds)})",
                *(f"  {count:4} {what}" for what, count in sorted(stages.items())),
                (
                    f"runs that a kill could harm: {self.dead} died, were marked as failed and their days done again;"
                    f" {self.survived} went on to their end; {self.refused} other runs gave way to a newer one;"
                    f" {self.contests} times two runs waited for one table"
                ),
                (
                    f"{self.judgements} times all days in peace, `etl verify` and everything compared,"
                    f" {self.rows} rows in the tables at the end"
                ),
                (
                    f"{self.looks} looks at the warehouse meanwhile, states of tables held against the sources'"
                    f" history: {_counts(self.compared)}"
                ),
            ]
        )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counter.items())) or "none"


@dataclass
class Plan:
    """A kill to come: of which kind of process, and when: in a stage of a run, or after a time."""

    kind: str
    stage: str | None
    seconds: float
    since: float | None = None

    def is_due(self, runs: list[Running], alive: dict[str, list[psutil.Process]]) -> bool:
        """Whether what it waits for has come, and its time has passed since."""
        if self.since is None:
            stands = self.stage is None or any(each.stage == self.stage for each in runs)
            if stands and alive.get(self.kind) and (runs or self.kind != "daemon"):
                self.since = time.monotonic()
        return self.since is not None and time.monotonic() - self.since >= self.seconds


def soak(world: World, rounds: int, seed: int, say: Callable[[str], None]) -> Figures:
    """All rounds, and after every 25th and the last one an undisturbed run and everything that does not hold."""
    chance = random.Random(seed)
    began = time.monotonic()
    figures = Figures()
    for tenant in TENANTS:
        for _ in range(4):
            world.change(tenant, chance)
    with Servers(world) as servers, Watcher(world) as watcher, Queue(world) as queue:
        while figures.rounds < rounds and not figures.problems:
            _Round(world, servers, queue, chance, figures).play()
            figures.rounds += 1
            kinds = Counter(each.kind for each in figures.kills)
            say(f"round {figures.rounds}, {time.monotonic() - began:.0f} s: killed {_counts(kinds)}")
            figures.problems += watcher.problems
            if not figures.problems and (figures.rounds % ROUNDS_BETWEEN_JUDGEMENTS == 0 or figures.rounds == rounds):
                _in_peace(world, servers, figures)
                figures.problems += [each for each in watcher.problems if each not in figures.problems]
                say(f"all days in peace, {time.monotonic() - began:.0f} s: {len(figures.problems)} problems")
        figures.looks, figures.compared = watcher.looks, watcher.compared
    if not figures.problems:
        _wait_for_the_rest(world, figures)
        figures.problems += wrong(world)
    else:
        _end_the_rest(world)
    _count_runs(world, figures)
    figures.rows = rows_of_all(world)
    figures.seconds = time.monotonic() - began
    return figures


class _Round:
    def __init__(self, world: World, servers: Servers, queue: Queue, chance: random.Random, figures: Figures) -> None:
        self._world, self._servers, self._queue = world, servers, queue
        self._chance, self._figures = chance, figures
        self._commands: list[subprocess.Popen[bytes]] = []
        self._jobs: list[str] = []
        self._kills = len(figures.kills)

    def play(self) -> None:
        """Start, kill, wait until every run of the round has ended, whoever ended it."""
        chance, world = self._chance, self._world
        before = set(ended(world))
        later: list[tuple[float, str]] = []
        plans: list[Plan] = []
        if (self._figures.rounds + 1) % ROUNDS_BETWEEN_CONTESTS == 0:
            self._contest()
        else:
            for tenant in TENANTS:
                world.change(tenant, chance)
                self._start(tenant)
            later = [(chance.uniform(1, 6), each) for each in TENANTS if chance.random() < 0.2]
            plans = self._plans()
        began = time.monotonic()
        while True:
            self._servers.revive()
            for moment in [each for each in later if time.monotonic() - began >= each[0]]:
                later.remove(moment)
                world.change(moment[1], chance)
                self._start(moment[1])
            runs = unfinished(world)
            if not runs and not later and all(each.poll() is not None for each in self._commands):
                break
            if time.monotonic() - began > SECONDS_FOR_A_ROUND:
                self._figures.problems.append(f"round {self._figures.rounds + 1} did not end: {runs}")
                break
            if plans:
                self._fire(plans, runs)
            time.sleep(0.1)
        self._account(set(ended(world)) - before)

    def _contest(self) -> None:
        """Two runs of the same day wait for one table, and the source changes between: the newer rows have to stay.

        Not of a range of days: that is a back-fill, of which a tenant has one at a time.
        """
        world, tenant = self._world, TENANTS[0]
        day = self._chance.choice(DAYS)
        world.change(TENANTS[1], self._chance)
        self._start(TENANTS[1])
        with world.postgres.connect() as other:
            other.execute("SELECT pg_advisory_lock(%s)", [table_lock(tenant, "events")])
            for waiting in (1, 2):
                world.change(tenant, self._chance)
                self._queue.put(tenant, "events", day, day)
                self._figures.starts["queue and daemon"] += 1
                deadline = time.monotonic() + SECONDS_FOR_A_ROUND / 2
                while sum(each.step == f"{tenant}__load__events" for each in unfinished(world)) < waiting:
                    self._servers.revive()
                    if time.monotonic() > deadline:
                        self._figures.problems.append(f"{waiting} runs did not come to the lock of a table")
                        return
                    time.sleep(0.1)
            time.sleep(1)
            self._figures.contests += 1

    def _start(self, tenant: str) -> None:
        chance = self._chance
        first = chance.randrange(len(DAYS))
        last = min(len(DAYS) - 1, first + chance.choice([0, 1, 1, 2]))
        job = chance.choices(JOBS, weights=[3, 5, 5, 5])[0]
        self._jobs.append(job)
        if chance.random() < 0.75:
            self._queue.put(tenant, job, DAYS[first], DAYS[last])
            self._figures.starts["queue and daemon"] += 1
            return
        self._figures.starts["`etl run`"] += 1
        self._commands.append(etl_run(self._world, tenant, job, DAYS[first], DAYS[last]))

    def _plans(self) -> list[Plan]:
        """What is killed: something of what is always there, and often the command or the dbt that this round has."""
        chance = self._chance
        kinds = chance.choices(
            ("run worker", "code server", "daemon"), weights=[5, 2, 1], k=chance.choice([0, 1, 1, 2, 2])
        )
        kinds += ["etl"] if self._commands and chance.random() < 0.6 else []
        kinds += ["dbt"] if "models" in self._jobs and chance.random() < 0.7 else []
        return [self._plan(each) for each in kinds]

    def _plan(self, kind: str) -> Plan:
        chance = self._chance
        if kind == "dbt":
            return Plan(kind, None, chance.uniform(0, 4))
        if chance.random() < 0.75:
            return Plan(kind, chance.choice(STAGES), chance.uniform(0, 0.4))
        return Plan(kind, None, chance.uniform(0, 10 if kind in ("code server", "daemon") else 5))

    def _fire(self, plans: list[Plan], runs: list[Running]) -> None:
        alive = processes(self._world)
        for plan in [each for each in plans if each.is_due(runs, alive)]:
            plans.remove(plan)
            victims = alive.get(plan.kind, [])
            if plan.kind == "run worker" and plan.stage:
                there = {each.pid for each in runs if each.stage == plan.stage}
                victims = [each for each in victims if each.pid in there]
            if victims:
                victim = self._chance.choice(sorted(victims, key=lambda each: each.pid))
                done = kill(self._world, victim, plan.kind)
                self._figures.kills += [done] if done else []

    def _account(self, new: set[str]) -> None:
        """What became of the runs: who was not harmed has to succeed, or to give way to a run that was quicker."""
        harmed = {run for each in self._figures.kills[self._kills :] for run in each.runs}
        for run_id, (tenant, status) in ended(self._world).items():
            if run_id not in new:
                continue
            if run_id in harmed:
                self._figures.dead += status != "SUCCESS"
                self._figures.survived += status == "SUCCESS"
            elif status != "SUCCESS":
                said = said_of_failure(self._world, run_id)
                if any(each in said for each in EXPECTED_FAILURES):
                    self._figures.refused += 1
                else:
                    self._figures.problems.append(
                        f"{tenant}: {run_id} is {status}, and nothing of it was killed: {said[-3000:]}"
                    )


def table_lock(schema: str, table: str) -> int:
    """The number of the lock that a load of this table takes in the database."""
    return int.from_bytes(hashlib.sha256(f"etl {schema}.{table}".encode()).digest()[:8], "big") >> 1


def etl_run(world: World, tenant: str, job: str, first: str, last: str) -> "subprocess.Popen[bytes]":
    """The command, in a session of its own; what it says goes to a file."""
    with (world.root / "said.log").open("ab") as log:
        return subprocess.Popen(
            [str(BIN / "etl"), "run", tenant, "--job", job, "--from", first, "--to", last],
            cwd=world.project,
            env=world.environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _in_peace(world: World, servers: Servers, figures: Figures) -> None:
    """All days of both tenants, undisturbed; then everything is compared."""
    deadline = time.monotonic() + SECONDS_FOR_A_ROUND
    while unfinished(world) and time.monotonic() < deadline:
        servers.revive()
        time.sleep(0.5)
    _both(world, figures, lambda tenant: ["run", tenant, "--from", DAYS[0], "--to", DAYS[-1]])
    _both(world, figures, lambda tenant: ["verify", tenant])
    figures.problems += wrong(world)
    figures.judgements += 1


def _both(world: World, figures: Figures, arguments: Callable[[str], list[str]]) -> None:
    """A command for both tenants at once, which has to succeed."""
    started = [
        subprocess.Popen(
            [str(BIN / "etl"), *arguments(tenant)],
            cwd=world.project,
            env=world.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for tenant in TENANTS
    ]
    for process in started:
        try:
            said, _ = process.communicate(timeout=SECONDS_FOR_A_ROUND)
        except subprocess.TimeoutExpired:
            process.kill()
            said = "it did not end"
        if process.returncode != 0:
            words = " ".join(map(str, process.args[1:]))  # type: ignore[index,union-attr]
            figures.problems.append(f"in peace, `etl {words}` ended with {process.returncode}: {said[-1500:]}")


def _count_runs(world: World, figures: Figures) -> None:
    figures.runs.update(status for _, status in ended(world).values())
    if figures.problems:
        return  # some have not ended
    with DagsterInstance.from_config(str(world.home)) as instance:
        if instance.get_runs_count() != sum(figures.runs.values()):
            figures.problems.append("Dagster counts other runs than its database holds")


def _end_the_rest(world: World) -> None:
    """Something is wrong already: what is still at work says nothing more."""
    for each in [process for found in processes(world).values() for process in found]:
        with contextlib.suppress(psutil.Error):
            each.kill()


def _wait_for_the_rest(world: World, figures: Figures) -> None:
    """What outlives a killed command ends by itself: a code server when its command does not call any more."""
    deadline = time.monotonic() + 120
    while (left := processes(world)) and time.monotonic() < deadline:
        time.sleep(0.5)
    if left:
        figures.problems.append(f"processes are left: {left}")
