"""Readers of YAML: what is text for one of them is a boolean for another."""

import re
from typing import Any, ClassVar

import yaml


def core_loader() -> type[yaml.SafeLoader]:
    """Return a reader of YAML 1.2: `true`, `false`, `null`, `~` and numbers are no texts, and every other word is."""

    class Core(yaml.SafeLoader):
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    for tag, words, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ):
        Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{words})$"), list(first))
    return Core


def goyaml_loader() -> type[yaml.SafeLoader]:
    """Return a reader of YAML 1.1 that takes `y` and `n` for booleans, as the standard says and Helm's library does."""

    class Short(yaml.SafeLoader):
        pass

    Short.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:y|Y|n|N)$"), list("yYnN"))
    Short.bool_values = {**yaml.SafeLoader.bool_values, "y": True, "n": False}  # type: ignore[misc]
    return Short


READERS = (yaml.SafeLoader, core_loader(), goyaml_loader())
