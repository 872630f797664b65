"""The result of the check `sla`: all promises of a pipeline in one result.

Belongs here: turning verdicts into an evaluation. Not here: the check's definition (`etl.factories.check_factory`),
when a result is written (`sla_watch`).
"""

import hashlib
from collections.abc import Sequence

from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, MetadataValue

from etl.config.tenant_config import TenantConfig
from etl.promises.freshness import State
from etl.promises.judge import FROM_BAD_TO_GOOD, UNITS, PromiseVerdict
from etl.running.explain import Explanation
from etl.running.metadata import Metadata, markdown_table
from etl.running.naming import SLA_CHECK
from etl.running.subjects import last_asset

Verdicts = Sequence[PromiseVerdict]


BAD = (State.BROKEN, State.AT_RISK)


GREEN = (State.ON_TRACK, State.RECOVERED)


def promised(config: TenantConfig) -> dict[str, AssetKey]:
    """Return the pipelines with promises, each with the asset that has its check."""
    return {
        name: last_asset(config, pipeline)
        for name, pipeline in config.pipelines.items()
        if (sla := config.sla_of(name)) is not None and sla.says_something
    }


def evaluation(asset: AssetKey, verdicts: Verdicts, explained: Explanation | None = None) -> AssetCheckEvaluation:
    """Return one evaluation for all promises of a pipeline; it shows the worst state, and what to do."""
    worst = worst_of(verdicts)
    state = worst.state if worst else State.UNMEASURED
    return AssetCheckEvaluation(
        asset_key=asset,
        check_name=SLA_CHECK,
        passed=state in GREEN,
        severity=AssetCheckSeverity.ERROR if state is State.BROKEN else AssetCheckSeverity.WARN,
        description=f"{worst.promise}: {worst.message}" if worst else "nothing is known yet",
        metadata=(_metadata(worst, verdicts) if worst else {}) | _explained(explained),
    )


def worst_of(verdicts: Verdicts) -> PromiseVerdict | None:
    """Return the verdict with the worst state; the first one if there are several."""
    return min(verdicts, key=lambda each: FROM_BAD_TO_GOOD.index(each.state), default=None)


def digest(verdicts: Verdicts) -> str:
    """Return a digest that changes when a state changes, but not with each minute of a breach or each good run."""
    parts = [f"{each.promise} {each.state}" for each in verdicts]
    parts += [f"{each.since} {each.partition} {each.runs}" for each in verdicts if each.state in BAD]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _metadata(worst: PromiseVerdict, verdicts: Verdicts) -> Metadata:
    table = [
        {
            "promise": each.promise,
            "state": each.state.value,
            "actual": _plain(each.actual),
            "threshold": _plain(each.threshold),
            "unit": UNITS[each.promise],
            "since": each.since.isoformat(timespec="minutes") if each.since else "",
            "partition": each.partition or "",
            "message": each.message,
        }
        for each in verdicts
    ]
    metadata: Metadata = {
        "state": MetadataValue.text(worst.state.value),
        "promise": MetadataValue.text(worst.promise),
        "unit": MetadataValue.text(UNITS[worst.promise]),
        "promises": MetadataValue.md(markdown_table(table)),
        "runs": MetadataValue.json(list(worst.runs)),
    }
    if worst.actual is not None:
        metadata["actual"] = MetadataValue.float(worst.actual)
    if worst.threshold is not None:
        metadata["threshold"] = MetadataValue.float(worst.threshold)
    if worst.since is not None:
        metadata["since"] = MetadataValue.timestamp(worst.since)
    if worst.partition is not None:
        metadata["partition"] = MetadataValue.text(worst.partition)
    if worst.due is not None:
        metadata["due"] = MetadataValue.timestamp(worst.due)
    return metadata


def _explained(explained: Explanation | None) -> Metadata:
    if explained is None:
        return {}
    found: Metadata = {"explanation": MetadataValue.md(explained.as_text())}
    return found | ({"where": MetadataValue.url(explained.link)} if explained.link else {})


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
