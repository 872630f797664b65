"""Finds the assets of a tenant that `etl run` runs: those of a job, of pipelines, or of stages.

Belongs here: turning the command's options into a job and a selection of its assets. Not here: choosing the partitions
(`runs`), starting a run.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from dagster import AssetKey

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import last_models
from etl.errors import EtlError
from etl.pipeline.life import refused
from etl.running import naming
from etl.running.compat import RemoteRepository
from etl.running.naming import AssetAddress
from etl.running.run_spans import Span
from etl.settings import Settings
from etl.suggest import nearest

TIERS = ("bronze", "silver", "gold")


@dataclass(frozen=True)
class Chosen:
    """A job and those of its assets that are run. Messages call them `words`."""

    job: str
    keys: frozenset[AssetKey]
    words: str
    is_whole_job: bool
    note: str = ""
    """A line for the person, if the command used a name of an earlier release; otherwise empty."""

    def selection(self, span: Span) -> list[AssetKey]:
        """Return the asset selection for a run of this span; empty for the whole job."""
        return [] if self.is_whole_job and span.is_all else sorted(span.keys)


def choose(
    repository: RemoteRepository,
    config: TenantConfig,
    settings: Settings,
    job: str | None,
    pipelines: Sequence[str] = (),
    stages: Sequence[str] = (),
) -> Chosen:
    """Return the assets that `--job`, or `--pipeline` and `--stage`, name; without these options, all assets."""
    if config.origin.life is not None:
        raise refused(config.id, config.origin.life)
    if job is not None:
        if pipelines or stages:
            raise EtlError("--job beside --pipeline or --stage", "a job has its own assets: leave one of them out")
        name = naming.job_name(config.id, job)
        if repository.has_job(name) and _is_own(repository, name, config.id):
            keys = frozenset(repository.get_asset_keys_in_job(name))
            return Chosen(name, keys, f"the job `{name}`", is_whole_job=True)
        return _of_an_earlier_release(repository, config, settings, name)
    name = naming.job_name(config.id, naming.JOB_OF_ALL)
    if not repository.has_job(name):
        raise EtlError(f"tenant {config.id} has no asset, and so no job", "write a pipeline, or see `etl check`")
    every = frozenset(repository.get_asset_keys_in_job(name))
    if not pipelines and not stages:
        return Chosen(name, every, f"the job `{name}`", is_whole_job=True)
    for each in pipelines:
        _known(each, config.pipelines, f"tenant {config.id} has no pipeline `{each}`")
    known = {AssetAddress.of(key).stage for key in every} - {"quarantine"}
    for each in stages:
        _known(each, known, f"tenant {config.id} has no asset of a stage `{each}`")
    keys = _of_pipelines(repository, config, settings, every, pipelines) if pipelines else every
    if stages:
        keys = frozenset(key for key in keys if AssetAddress.of(key).stage in stages)
    return _chosen(repository, name, every, keys, _words(pipelines, stages))


def _words(pipelines: Sequence[str], stages: Sequence[str]) -> str:
    """Return the words for what was chosen, of which a sentence can say that it has something."""
    parts = [_named(word, names) for word, names in (("stage", stages), ("pipeline", pipelines)) if names]
    is_one = len(dict.fromkeys(stages or pipelines)) == 1
    return f"{'' if is_one else 'the selection of '}{' of '.join(parts)}"


def _named(word: str, names: Sequence[str]) -> str:
    quoted = [f"`{each}`" for each in dict.fromkeys(names)]
    if len(quoted) == 1:
        return f"the {word} {quoted[0]}"
    return f"the {word}s {', '.join(quoted[:-1])} and {quoted[-1]}"


def _of_pipelines(
    repository: RemoteRepository,
    config: TenantConfig,
    settings: Settings,
    every: Collection[AssetKey],
    pipelines: Collection[str],
) -> frozenset[AssetKey]:
    """Return the stages of pipelines and the dbt models that they select."""
    graph, models = repository.asset_graph, last_models(config, settings)
    selected = {AssetKey(list(key)) for each in pipelines for key in models.get(each, ())}
    return frozenset(key for key in every if graph.get(key).tags.get("pipeline") in pipelines or key in selected)


def _chosen(
    repository: RemoteRepository,
    job: str,
    every: frozenset[AssetKey],
    keys: frozenset[AssetKey],
    words: str,
    note: str = "",
) -> Chosen:
    if not keys:
        raise EtlError(f"there is no asset of {words}", "leave one of the options out")
    graph = repository.asset_graph
    # A step makes all its assets together: rejected rows come with the published rows.
    whole_steps = frozenset(each for key in keys for each in graph.get(key).execution_set_asset_keys) & every
    return Chosen(job, whole_steps, words, is_whole_job=whole_steps == every, note=note)


def _of_an_earlier_release(repository: RemoteRepository, config: TenantConfig, settings: Settings, job: str) -> Chosen:
    """Return the assets of a job of release 0.2, where each pipeline and tier had a job. Other names are an error."""
    short, name = job.removeprefix(f"{config.id}_"), naming.job_name(config.id, naming.JOB_OF_ALL)
    if repository.has_job(name):
        every = frozenset(repository.get_asset_keys_in_job(name))
        if short in config.pipelines:
            keys = _of_pipelines(repository, config, settings, every, (short,))
            note = f"there is no job `{job}`: the pipeline was run. Write `etl run {config.id} --pipeline {short}`\n"
            return _chosen(repository, name, every, keys, f"the pipeline `{short}`", note)
        if short in TIERS:
            tags = repository.asset_graph
            keys = frozenset(key for key in every if tags.get(key).tags.get("data_tier") == short)
            note = (
                f"there is no job `{job}`: the assets of that tier were run. Write `etl run {config.id} --stage ...`,"
                f" or a job of that name: `jobs: {{{short}: {{selection: 'tag:data_tier={short}'}}}}`\n"
            )
            return _chosen(repository, name, every, keys, f"the tier `{short}`", note)
    if short == "verify":
        raise EtlError(
            f"tenant {config.id} has no job `{job}`",
            f"write `etl verify {config.id}`, or have such a job: `jobs: {{verify: {{verify: true}}}}`",
        )
    jobs = [each.name for each in repository.get_all_jobs() if _is_own(repository, each.name, config.id)]
    pipelines = {naming.job_name(config.id, each): each for each in config.pipelines}
    close = nearest(job, [*jobs, *pipelines])
    hint = f"its jobs: {', '.join(sorted(jobs))}"
    if close:
        hint = f"did you mean `--pipeline {pipelines[close]}`?" if close in pipelines else f"did you mean `{close}`?"
    raise EtlError(f"tenant {config.id} has no job `{job}`", hint)


def _is_own(repository: RemoteRepository, job: str, tenant: str) -> bool:
    """Whether a job is the tenant's: a location may serve another one whose id begins with the same word."""
    owner = repository.get_full_job(job).tags.get("tenant")
    if owner is not None:
        return bool(owner == tenant)
    return all(AssetAddress.of(key).tenant == tenant for key in repository.get_asset_keys_in_job(job))


def _known(name: str, known: Collection[str], problem: str) -> None:
    if name not in known:
        close = nearest(name, known)
        raise EtlError(problem, f"did you mean `{close}`?" if close else f"one of {', '.join(sorted(known)) or 'none'}")
