"""One change between two contracts, and its effect on a consumer.

Belongs here: the model. Not here: finding changes (`difference`).
"""

from dataclasses import dataclass
from typing import Literal

Effect = Literal["breaking", "unknown", "harmless"]


@dataclass(frozen=True, slots=True)
class ContractChange:
    """A change at a place of the contract. `unknown`: it could not be compared, so nobody knows."""

    effect: Effect
    at: str
    what: str


def breaking(at: str, what: str) -> ContractChange:
    """Return a change that breaks a consumer."""
    return ContractChange("breaking", at, what)


def harmless(at: str, what: str) -> ContractChange:
    """Return a change that breaks no consumer."""
    return ContractChange("harmless", at, what)


def unknown(at: str, what: str) -> ContractChange:
    """Return a part that could not be compared."""
    return ContractChange("unknown", at, what)
