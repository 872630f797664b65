"""The exact commands that repair a pipeline after the findings of a reconciliation.

Belongs here: the commands. Not here: the findings (`verify_lake`, `verify_table`, `verify`).
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.partitions.scheme import StaticKeys


@dataclass(frozen=True)
class Remedies:
    """The commands for a pipeline of a tenant. `published` are the days that are published in the lake."""

    config: TenantConfig
    pipeline: PipelineConfig
    published: Collection[str | None] = field(default=())

    def run_again(self, partition: str | None) -> str:
        """Extract, refine and load a day again, or the whole table."""
        return self._within(partition, self._run_again(partition))

    def _run_again(self, partition: str | None) -> str:
        appended = self.pipeline.trino_output is not None and self.pipeline.trino_output.mode == "append"
        reload = " --reload" if appended and partition else ""  # a changed day is appended only with this option
        return f"`{self._run(partition, partition)}{reload}`"

    def load_again(self, partition: str | None) -> str:
        """Load the published objects again, regardless of the ledger."""
        return self._within(partition, f"`{self._run(partition, partition, only_load=True)} --reload`")

    def _within(self, partition: str | None, command: str) -> str:
        """Return the command, after an edit if the pipeline does not have the day, because no run takes such a day."""
        if partition is None or self.has(partition):
            return command
        return f"{self.edit(f'let `partitions` have {partition}')}, then {command}; or {self.make_anew()}"

    def load_anything_again(self) -> str:
        """Load the newest published object with `--reload`, which removes rows that no load has put there."""
        days = [each for each in self.published if each and self.has(each)]
        if not days:
            return f"{self.make_anew()}, or remove these rows"
        return f"{self.load_again(max(days))} removes them"

    def make_anew(self) -> str:
        """Rename the table, which deletes nothing, and load all published objects into a new table."""
        return f"{self.set_aside()} renames it and deletes nothing, then {self.load_all()}"

    def cut_anew(self) -> str:
        """Return the remedy for partitions that were cut in another way than the pipeline's: make everything anew."""
        stages = dict.fromkeys(("extract", self.pipeline.published_stage))
        folders = " and ".join(f"{self.config.id}/{stage}/{self.pipeline.name}" for stage in stages)
        keys = self.pipeline.scheme.keys(datetime.now(UTC))
        first, last = (keys[0], keys[-1]) if keys else (None, None)
        run = f"`{self._run(first, last)}`"
        return f"{self.set_aside()} renames it and deletes nothing; then remove {folders} of the lake, then {run}"

    def begin_anew(self) -> str:
        """Return the remedy for rows that cannot be loaded again, because their objects are not kept."""
        return f"restore the table from a backup, or begin anew with what is published now: {self.make_anew()}"

    def set_aside(self) -> str:
        """Rename the table or view that has the table's name."""
        return f"`etl set-aside {self.config.id} {self.pipeline.name} --yes`"

    def bring_back(self, partition: str | None) -> str:
        """Return the remedy for a loaded partition that is not published: publish it, or make the table without it."""
        if partition is not None and not self.has(partition):
            return self.make_anew()
        return self.run_again(partition)

    def verify(self, *options: str) -> str:
        """Verify with other options."""
        return f"`{' '.join(['etl verify', self.config.id, '--pipeline', self.pipeline.name, *options])}`"

    def edit(self, keys: str) -> str:
        """Change something in the tenant's file."""
        return f"{keys} in tenants/{self.config.id}/config.yaml"

    def has(self, partition: str) -> bool:
        """Whether the partition is one of the pipeline's."""
        return self.pipeline.scheme.has(partition)

    def load_all(self) -> str:
        """Load all published objects."""
        scheme = self.pipeline.scheme
        keys = [each for each in self.published if each and self.has(each)]
        if not keys:
            return f"`{self._run(None, None)}`"
        order = scheme.values.index if isinstance(scheme, StaticKeys) else str
        first, last = min(keys, key=order), max(keys, key=order)
        is_whole = scheme.count(first, last) == len(keys)  # what is not published has to be extracted
        return f"`{self._run(first, last, only_load=is_whole)}`"

    def _run(self, first: str | None, last: str | None, *, only_load: bool = False) -> str:
        days = f" --from {first} --to {last}" if first else ""
        load = " --stage load" if only_load else ""
        return f"etl run {self.config.id} --pipeline {self.pipeline.name}{load}{days}"
