"""Reads `tenants/quotas.yaml`, the platform's file of limits for its tenants.

Belongs here: the model of the file, and the limits of one tenant. Not here: how much was used (`usage`), how an amount
is written (`amounts`).

No tenant's file can name or change a quota. The file is read again whenever it has changed, so a new limit holds for
the next thing that is published. If there is no file, there are no quotas, and nothing is counted.
"""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from etl.config.yaml_source import Document, Mark, Node, find, parse, to_data
from etl.errors import ConfigError
from etl.partitions.zones import ZoneName
from etl.quotas.amounts import Bytes, Count
from etl.settings import Settings
from etl.suggest import did_you_mean

FILE = "quotas.yaml"


class TenantLimits(BaseModel):
    """What one tenant may use. None means that there is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows_per_day: Count | None = Field(None, description="Rows that a stage may publish in a day.")
    bytes_per_day: Bytes | None = Field(None, description="Bytes that a stage may publish in a day.")
    lake_bytes: Bytes | None = Field(None, description="Bytes of all objects of the tenant in the lake.")
    warehouse_bytes: Bytes | None = Field(None, description="Bytes of the tenant's tables in the warehouse.")
    messages_per_day: Count | None = Field(None, description="Messages that are sent in a day; critical ones always.")
    concurrent_runs: Count | None = Field(None, description="Runs of the queue that work at one time.")
    backfill_runs: Count | None = Field(None, description="Back-fills among them.")
    timezone: ZoneName | None = Field(None, description="The zone in which a day begins. Default: the file's.")


DAILY = ("rows_per_day", "bytes_per_day")
"""The quotas that a publish uses up, and that are free again on the next day."""


class Quotas(BaseModel):
    """The whole file. `defaults` are the limits of each tenant; what stands below `tenants` replaces them by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: ZoneName = Field("UTC", description="The zone in which a day begins.")
    tell_at: float = Field(0.8, gt=0, lt=1, description="The share of a limit from which on people are told.")
    defaults: TenantLimits = Field(TenantLimits(), description="The limits of each tenant.")
    tenants: dict[str, TenantLimits] = Field({}, description="Limits of single tenants; null takes a default away.")

    def limits_of(self, tenant: str) -> TenantLimits:
        """Return the limits of a tenant: its own where the file names them, even as null, and else the defaults."""
        own = self.tenants.get(tenant, TenantLimits())
        merged = self.defaults.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
        return merged if merged.timezone else merged.model_copy(update={"timezone": self.timezone})

    def unknown_tenants(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the tenants of the file that this project does not have: mistyped, or retired."""
        return tuple(sorted(set(self.tenants) - set(known)))


def quotas_path(settings: Settings) -> Path:
    """Return where the file is, if there is one."""
    return settings.tenants_dir / FILE


def read_quotas(settings: Settings) -> Quotas | None:
    """Return the present content of the file; None if there is no file. A file that cannot be read is an error."""
    path = quotas_path(settings)
    try:
        stat = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigError(
                f"{path} is a link to a file that is not there, so it is not known what is limited",
                "mend the link, or remove it if nothing shall be limited",
            ) from None
        return None
    return _read(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


def unknown_tenants_error(quotas: Quotas, path: Path, known: Collection[str]) -> ConfigError | None:
    """Return the error about tenants of the file that do not exist; None if all exist.

    It is no error of a run: a name that nobody has limits nobody. But the tenant that was meant has only the defaults.
    """
    unknown = quotas.unknown_tenants(known)
    if not unknown:
        return None
    root = parse(path.read_bytes()).root
    listed = [
        f"there is no tenant `{name}` at {_place(path, root, ('tenants', name))}{did_you_mean(name, known)}"
        for name in unknown
    ]
    return ConfigError(
        f"{path} limits {len(unknown)} tenant{'s' * (len(unknown) > 1)} that this project does not have",
        "correct the name, or remove the entry of a tenant that was retired: until then it limits nobody",
        problems=listed,
    )


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int, _file: int) -> Quotas:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "let this user read the file") from error
    document = parse(raw)
    if document.findings:
        first = document.findings[0]
        raise ConfigError(
            f"{path}:{first.line}: {first.problem}", first.remedy or "correct the file; see docs/quotas.md"
        )
    try:
        return Quotas.model_validate(to_data(document.root) or {} if document.root else {})
    except ValidationError as error:
        raise _invalid(path, document, error) from None


def _invalid(path: Path, document: Document, error: ValidationError) -> ConfigError:
    """Return one error with all mistakes, each with its line."""
    problems = []
    for each in error.errors(include_url=False):
        keys = tuple(map(str, each["loc"]))
        if each["type"] == "extra_forbidden":
            model = TenantLimits if len(keys) > 1 else Quotas
            said = f"unknown key `{keys[-1]}`{did_you_mean(keys[-1], model.model_fields)}"
        else:
            said = f"`{'.'.join(keys)}`: {each['msg'].removeprefix('Value error, ')}"
        problems.append(f"{said} at {_place(path, document.root, keys)}")
    return ConfigError(
        f"{path} is not valid, so no tenant's quota is known",
        "correct it; docs/quotas.md lists the keys",
        problems=problems,
    )


def _place(path: Path, root: Node | None, keys: tuple[str, ...]) -> str:
    mark = find(root, keys)[1] if root else Mark()
    return f"{path}:{mark.line}:{mark.column}"
