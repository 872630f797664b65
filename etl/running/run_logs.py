"""What runs and sensors print, in a folder of each service, so that services with different users share no folder.

Belongs here: where a log is. Not here: what is scrubbed from it (`etl.secrets.streams`), other stores of logs: a bucket
needs Dagster's own `S3ComputeLogManager`.

`dagster.yaml` names it, where each code server runs as its own user:

    compute_logs:
      module: etl.running.run_logs
      class: LogsOfServices
      config: {base_dir: {env: DAGSTER_LOGS_DIR}, also: "/var/lib/etl/*/logs"}
"""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import Field, StringSource

from etl.running.compat import ComputeIOType, ConfigurableClassData, LocalComputeLogManager


class LogsOfServices(LocalComputeLogManager):
    """Writes logs into the folder of its own process, and reads those of the other services too."""

    def __init__(
        self,
        base_dir: str,
        also: str,
        polling_timeout: float | None = None,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        """`base_dir` is the folder of this process, and `also` a pattern of the folders of all services."""
        super().__init__(base_dir, polling_timeout, inst_data)
        self._also = also

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """Return the settings in `dagster.yaml`."""
        own: Mapping[str, Any] = {"base_dir": StringSource, "polling_timeout": Field(float, is_required=False)}
        return {**own, "also": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "LogsOfServices":
        """Make it from the settings in `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    def get_captured_local_path(self, log_key: Sequence[str], extension: str, partial: bool = False) -> str:
        """Return the file of a log: in the folder of the service that has begun it, or else in the own one."""
        own = super().get_captured_local_path(log_key, extension, partial)
        within = Path(own).relative_to(Path(self._base_dir).resolve())
        return next((str(each / within) for each in self._folders() if (each / within.parent).is_dir()), own)

    def get_log_keys_for_log_key_prefix(
        self, log_key_prefix: Sequence[str], io_type: ComputeIOType
    ) -> Sequence[list[str]]:
        """Return the keys of the logs below a prefix, in the folder of the service that has written them."""
        for folder in self._folders():
            if folder.joinpath(*log_key_prefix).is_dir():
                found: Sequence[list[str]] = LocalComputeLogManager(str(folder)).get_log_keys_for_log_key_prefix(
                    log_key_prefix, io_type
                )
                return found
        return []

    def _folders(self) -> Iterator[Path]:
        """Yield the folders that this process may read, its own first."""
        yield Path(self._base_dir).resolve()
        for each in sorted(glob.glob(self._also)):  # noqa: PTH207  the pattern is an absolute path
            if os.access(each, os.R_OK | os.X_OK):
                yield Path(each)
