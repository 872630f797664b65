"""The errors that people see: each has a problem and a remedy.

Belongs here: `EtlError` and its few children. Not here: messages, which stand in the code that finds the problem.
"""

from collections.abc import Sequence


class EtlError(Exception):
    """A failure that names the problem and the remedy. It never contains a secret."""

    def __init__(self, problem: str, hint: str = "") -> None:
        """Keep both halves, so that a caller can show them apart."""
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    @property
    def told(self) -> str:
        """The problem as a tenant's own people may read it, for example on the tenant's page."""
        return self.problem

    def __str__(self) -> str:
        """The problem, then the remedy on its own line."""
        return f"{self.problem}\n  -> {self.hint}" if self.hint else self.problem


class NothingExamined(EtlError):  # noqa: N818  it is an answer: nothing is known, since nothing was examined
    """There was nothing to examine: no tenant, no rule, no promise. The commands end with exit code 3."""


class ForOperatorsError(EtlError):
    """A failure whose problem only operators may read: it has something of another tenant, or what Python said.

    The text of an error that a tenant's Python raises may be any value of its process, also one of another tenant.
    """

    def __init__(self, problem: str, hint: str = "", *, told: str) -> None:
        """`told` is the problem without what is only for operators."""
        super().__init__(problem, hint)
        self._told = told

    @property
    def told(self) -> str:
        """The problem as the tenant's own people may read it."""
        return self._told


class ConfigError(EtlError):
    """All problems of one configuration file, in one error."""

    def __init__(self, problem: str, hint: str = "", *, problems: Sequence[str] = ()) -> None:
        """`problems` are the single findings, each with its place in the file."""
        super().__init__("\n".join([problem, *(f"  - {each}" for each in problems)]), hint)
        self.problems = tuple(problems)


class SecretError(ConfigError):
    """A secret could not be read, because of the secret: it is not there, was deleted, or may not be read."""


class SecretStoreError(SecretError):
    """A secret could not be read, because the store did not answer or refused the login: nothing is known about it."""


class SourceError(EtlError):
    """The tenant's database could not be read, or not exactly."""


class SourceGoneError(SourceError):
    """The tenant's database could not be reached, or it ended the connection."""


class LoginRefusedError(SourceError):
    """The tenant's database refused the user or the password."""


class TransformError(EtlError):
    """The tenant's own Python is missing, raised an error, or did not return a LazyFrame."""


class LakeError(EtlError):
    """An object of the lake could not be drafted, verified, published or read."""


class LakeUnreadableError(LakeError):
    """The lake's folder could not be read, so nothing is known about its objects. Commands end with exit code 3."""


class WarehouseError(EtlError):
    """A load was refused or failed; the warehouse is as it was before."""


class QualityError(EtlError):
    """A rule cannot be judged: wrong arguments, a missing column, a missing engine."""


class AuditBlocked(EtlError):  # noqa: N818  it is a verdict about data, not an error of the program
    """The audit found bad rows and the configuration says that nothing may be published."""


class DbtError(EtlError):
    """A dbt project could not be prepared, parsed or run."""


class NotifyError(EtlError):
    """A message could not be delivered."""
