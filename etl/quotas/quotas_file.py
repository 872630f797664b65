"""Reads `tenants/quotas.yaml`, the platform's file of limits for its tenants.

Belongs here: the model of the file, and the limits of one tenant. Not here: how much was used (`usage`), how an amount
is written (`amounts`).

No tenant's file can name or change a quota. The file is read again whenever it has changed, so a new limit holds for
the next thing that is published. If there is no file, there are no quotas, and nothing is counted.

A mistake in the entry of one tenant makes the limits of that tenant unknown, and of no other tenant. A mistake anywhere
else makes all limits unknown, because it says something about each tenant.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from etl.config.config_loader import list_tenants
from etl.config.findings import ConfigFinding
from etl.config.yaml_source import Mark, Node, find, parse, to_data
from etl.errors import ConfigError
from etl.partitions.zones import ZoneName
from etl.quotas.amounts import Bytes, Count
from etl.settings import Settings
from etl.suggest import did_you_mean

FILE = "quotas.yaml"
_CORRECT = "correct it; docs/quotas.md lists the keys"
_READABLE = "let this user read the file"
_EVERYONE = ""
"""In place of a tenant's name: what is about all tenants."""


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

    @property
    def limits_something(self) -> bool:
        """Whether there is a limit at all."""
        return any(getattr(self, name) is not None for name in type(self).model_fields if name != "timezone")


DAILY = ("rows_per_day", "bytes_per_day")
"""The quotas that a publish uses up, and that are free again on the next day."""


class Quotas(BaseModel):
    """The whole file. `defaults` are the limits of each tenant; what stands below `tenants` replaces them by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: ZoneName = Field("UTC", description="The zone in which a day begins.")
    tell_at: float = Field(0.8, gt=0, lt=1, description="The share of a limit from which on people are told.")
    defaults: TenantLimits = Field(TenantLimits(), description="The limits of each tenant.")
    tenants: dict[str, TenantLimits] = Field({}, description="Limits of single tenants; null takes a default away.")

    _mistakes: Mapping[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)
    """For each tenant whose entry has mistakes, the mistakes with their places. `tenants` leaves these entries out."""
    _path: Path = PrivateAttr(default=Path(FILE))

    @property
    def mistaken(self) -> frozenset[str]:
        """The tenants whose entries have mistakes, so that their limits are not known."""
        return frozenset(self._mistakes)

    def limits_of(self, tenant: str) -> TenantLimits:
        """Return the limits of a tenant: its own where the file names them, even as null, and else the defaults.

        Raises the error about the tenant's entry if the entry has mistakes.
        """
        if tenant in self._mistakes:
            raise self.mistake_of(tenant)
        own = self.tenants.get(tenant, TenantLimits())
        merged = self.defaults.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
        return merged if merged.timezone else merged.model_copy(update={"timezone": self.timezone})

    def mistake_of(self, tenant: str) -> ConfigError:
        """Return the error about the entry of a tenant, which is one of `mistaken`."""
        return ConfigError(
            f"{self._path}: the entry of {tenant} is not valid, so no quota of {tenant} is known",
            _CORRECT,
            problems=self._mistakes[tenant],
        )

    def note_mistakes(self, path: Path, mistakes: Mapping[str, Sequence[str]]) -> None:
        """Keep the mistakes of entries that were left out, by tenant. Only who reads the file calls this."""
        self._path, self._mistakes = path, {name: tuple(said) for name, said in mistakes.items()}

    def unknown_tenants(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the tenants of the file that this project does not have: mistyped, or retired."""
        return tuple(sorted(({*self.tenants} | self.mistaken) - {*known}))


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
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", _READABLE) from error
    return _read(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


def mistakes_of(quotas: Quotas, settings: Settings) -> tuple[ConfigError, ...]:
    """Return the errors about entries of single tenants: those with mistakes, and those of tenants that do not exist.

    A name that nobody has limits nobody, so it stops no run. But the tenant that was meant has only the defaults.
    """
    known = list_tenants(settings)
    found = [quotas.mistake_of(name) for name in sorted(quotas.mistaken)]
    if unknown := quotas.unknown_tenants(known):
        path = quotas_path(settings)
        root = parse(path.read_bytes()).root
        found.append(
            ConfigError(
                f"{path} limits {len(unknown)} tenant{'s' * (len(unknown) > 1)} that this project does not have",
                "correct the name, or remove the entry of a tenant that was retired: until then it limits nobody",
                problems=[
                    f"there is no tenant `{name}` at {_place(path, root, ('tenants', name))}{did_you_mean(name, known)}"
                    for name in unknown
                ],
            )
        )
    return tuple(found)


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int, _file: int) -> Quotas:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", _READABLE) from error
    document = parse(raw)
    mistakes: dict[str, list[str]] = {}
    for each in document.findings:
        remedy = f": {each.remedy}" if each.remedy else ""
        said = f"{each.problem} at {path}:{each.line}:{each.column}{remedy}"
        mistakes.setdefault(_entry_at(document.root, each), []).append(said)
    data = to_data(document.root) if document.root else None
    if data is None and not mistakes:  # as a full disk or an editor leaves a file
        raise ConfigError(
            f"{path} is empty, so no tenant's quota is known",
            "write the limits, or remove the file if nothing shall be limited",
        )
    data = {} if data is None else data
    try:
        quotas = Quotas.model_validate(data)
    except ValidationError as error:
        for name, said in _invalid(path, document.root, error):
            mistakes.setdefault(name, []).append(said)
    if _EVERYONE in mistakes:
        every = [each for found in mistakes.values() for each in found]
        raise ConfigError(f"{path} is not valid, so no tenant's quota is known", _CORRECT, problems=every)
    if mistakes:
        kept = {name: entry for name, entry in data["tenants"].items() if name not in mistakes}
        quotas = Quotas.model_validate({**data, "tenants": kept})
        quotas.note_mistakes(path, mistakes)
    return quotas


def _invalid(path: Path, root: Node | None, error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield each mistake with its line, and before it the tenant in whose entry the mistake is."""
    for each in error.errors(include_url=False):
        keys = tuple(map(str, each["loc"]))
        if each["type"] == "extra_forbidden":
            model = TenantLimits if len(keys) > 1 else Quotas
            said = f"unknown key `{keys[-1]}`{did_you_mean(keys[-1], model.model_fields)}"
        elif each["type"] in {"model_type", "dict_type"}:
            said = f"`{'.'.join(keys) or FILE}`: write keys with values below it, such as `rows_per_day: 5_000_000`"
        else:
            said = f"`{'.'.join(keys)}`: {each['msg'].removeprefix('Value error, ')}"
        name = keys[1] if len(keys) > 1 and keys[0] == "tenants" else _EVERYONE
        yield name, f"{said} at {_place(path, root, keys)}"


def _entry_at(root: Node | None, finding: ConfigFinding) -> str:
    """Return the tenant in whose entry a mistake of the YAML is, such as a key that is written twice."""
    if root is None or not isinstance(root.value, dict):
        return _EVERYONE
    below = root.value.get("tenants")
    entries = dict(below.keys) if below else {}
    for name in entries:
        if f"`{name}`" in finding.problem:  # the entry itself is written twice
            return name
    begins = [(mark.line, mark.column, _EVERYONE) for mark in root.keys.values()]
    begins += [(mark.line, mark.column, name) for name, mark in entries.items()]
    before = [each for each in begins if each[:2] <= (finding.line, finding.column)]
    line, column, name = max(before, default=(0, 0, _EVERYONE))
    return name if finding.line == line or finding.column > column else _EVERYONE


def _place(path: Path, root: Node | None, keys: tuple[str, ...]) -> str:
    mark = find(root, keys)[1] if root else Mark()
    return f"{path}:{mark.line}:{mark.column}"
