"""Finds jobs of two tenants that would have one name, because the id of one tenant begins with the id of the other.

Belongs here: comparing the jobs of all tenants. Not here: two jobs of one tenant (`cross_checks`), and what a location
with both tenants does (`etl.definitions`).
"""

from collections.abc import Iterable

from etl.config.cross_checks import JOB_OF_ALL
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError


def shared_job_names(configs: Iterable[TenantConfig]) -> list[tuple[frozenset[str], ConfigError]]:
    """Return two tenants and the error for each job that has the name of a job of a tenant with a longer id."""
    taken: dict[str, tuple[TenantConfig, str]] = {}
    problems: list[tuple[frozenset[str], ConfigError]] = []
    for config in sorted(configs, key=lambda each: (-len(each.id), each.id)):
        for job in (JOB_OF_ALL, *config.jobs):
            name = f"{config.id}_{job.removeprefix(f'{config.id}_')}"
            owner, other = taken.setdefault(name, (config, job))
            if owner is not config:
                problems.append((frozenset({config.id, owner.id}), _error(config, job, owner, other, name)))
    return problems


def _error(config: TenantConfig, job: str, owner: TenantConfig, other: str, name: str) -> ConfigError:
    return ConfigError(
        f"{config.origin.path}:{config.line_of('jobs', job)}: the job `{job}` of tenant {config.id} and the job"
        f" `{other}` of tenant {owner.id} have one name, {name}: the history of runs cannot tell them apart",
        f"give the job of {config.id} another name",
    )
