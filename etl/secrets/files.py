"""The store of files, as Docker and Kubernetes mount them: `<folder>/<tenant>/<name>/<key>`.

Belongs here: the file of a secret, and the refusal of files elsewhere. Not here: encrypted files (`sops`).
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl.errors import SecretStoreError
from etl.secrets.contract import DEFAULT_KEY, SecretContent, SecretResolver, Values, refused, unanswered

_LARGEST = 1_000_000  # bytes of a secret's file
_ABOUT_THE_FILE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True)
class FileSecrets:
    """Files below a folder. A folder whose path contains `{tenant}` belongs to one tenant.

    A secret with one value may be the file `<name>`. The version is the time at which the file was last written.
    """

    folder: str
    store: str = "files"
    is_remote: bool = False

    def place(self, tenant: str, name: str, key: str) -> str:
        """The file."""
        return str(self._path(tenant, name, key))

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """Return the file's text, without the line break that editors add at the end."""
        path = self._path(tenant, name, key)
        inside = path.resolve()
        if not inside.is_relative_to(self._root(tenant).resolve()):
            why = f"{path} leads out of the tenant's folder"
            raise refused(self, tenant, name, key, why, "put the file itself there")
        try:
            with inside.open("rb") as file:
                written = os.fstat(file.fileno()).st_mtime
                text = file.read(_LARGEST).decode()
        except OSError as error:
            if (root := missing_folder(self._pattern())) is not None:
                raise no_folder(self, tenant, name, key, root) from None
            why = str(error.strerror)
            if not isinstance(error, _ABOUT_THE_FILE):  # the disk or the network below it
                raise unanswered(self, tenant, name, key, why, f"look why {path} cannot be read") from None
            raise refused(self, tenant, name, key, why, f"write the value to {path}") from None
        except UnicodeDecodeError:
            why = "the file is not UTF-8 text"
            raise refused(self, tenant, name, key, why, "write the value as text") from None
        value = text.removesuffix("\n").removesuffix("\r")
        if not value:
            raise refused(self, tenant, name, key, "the file is empty", f"write the value to {path}")
        version = datetime.fromtimestamp(written, UTC).isoformat(timespec="milliseconds")
        return SecretContent(Values({key: value}), version)

    def _pattern(self) -> str:
        return self.folder if "{tenant}" in self.folder else str(Path(self.folder, "{tenant}"))

    def _root(self, tenant: str) -> Path:
        return Path(self._pattern().replace("{tenant}", tenant))

    def _path(self, tenant: str, name: str, key: str) -> Path:
        root = self._root(tenant)
        if key == DEFAULT_KEY and (root / name).is_file():
            return root / name
        return root / name / key


def missing_folder(pattern: str) -> Path | None:
    """Return the folder of all tenants' secrets if there is none, as if it is not mounted. `pattern` has `{tenant}`."""
    parts = Path(pattern).parts
    fixed = next((index for index, part in enumerate(parts) if "{tenant}" in part), len(parts))
    folder = Path(*parts[:fixed])
    return None if folder.is_dir() else folder


def no_folder(store: SecretResolver, tenant: str, name: str, key: str, folder: Path) -> SecretStoreError:
    """Return the error of a store whose folder is not there: nothing is known about the secret."""
    hint = "make the folder or mount it, or correct `path` in [tool.etl.secrets]"
    return unanswered(store, tenant, name, key, f"there is no folder {folder}", hint)
