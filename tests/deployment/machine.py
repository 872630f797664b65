"""A machine of its own for a test: the real systemd, in namespaces, over a copy of this machine's files in memory.

Everything that is installed here is installed there. What the test writes there, its users, its ports and its processes
end with the block, and this machine does not see them.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import require

_MASKED = [
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-logind.service",
    "systemd-journal-flush.service",
    "systemd-update-utmp.service",
    "systemd-binfmt.service",
    "systemd-sysctl.service",
    "systemd-modules-load.service",
    "systemd-random-seed.service",
    "systemd-machine-id-commit.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "man-db.timer",
    "mariadb.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
]
_BOOT = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs $T
mkdir $T/upper $T/work $T/root
mount -t overlay overlay -o lowerdir=/,upperdir=$T/upper,workdir=$T/work $T/root
R=$T/root
mount -t proc proc $R/proc
mount -t sysfs sysfs $R/sys
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $R/dev
mknod -m 666 $R/dev/null c 1 3; mknod -m 666 $R/dev/zero c 1 5; mknod -m 666 $R/dev/full c 1 7
mknod -m 666 $R/dev/random c 1 8; mknod -m 666 $R/dev/urandom c 1 9; mknod -m 666 $R/dev/tty c 5 0
mkdir $R/dev/pts $R/dev/shm; mount -t devpts devpts $R/dev/pts; mount -t tmpfs -o mode=1777 tmpfs $R/dev/shm
ln -s pts/ptmx $R/dev/ptmx; ln -s /proc/self/fd $R/dev/fd
mount -t tmpfs -o mode=755 tmpfs $R/run; mount -t tmpfs -o mode=1777 tmpfs $R/tmp
rm -rf $R/etc/systemd/system/*.wants $R/etc/systemd/system/default.target $R/etc/nginx/sites-enabled/*
for each in $MASKED; do ln -sf /dev/null $R/etc/systemd/system/$each; done
ln -s /lib/systemd/system/basic.target $R/etc/systemd/system/default.target
for folder in $OPEN; do while [ "$folder" != / ]; do chmod a+x "$R$folder"; folder=$(dirname "$folder"); done; done
ip link set lo up
cd $R; mkdir -p .before; pivot_root . .before
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . sh -c 'umount -l /.before; exec /lib/systemd/systemd --log-target=console'
"""


@dataclass(frozen=True)
class Machine:
    """The machine: `init` is the process id of its systemd, `log` what that prints."""

    init: int
    log: Path

    def run(
        self,
        *command: str,
        user: str = "",
        text: str | None = None,
        check: bool = True,
        seconds: float = 120,
        **environ: str,
    ) -> str:
        """Run a command there, and return what it prints."""
        inside = ["nsenter", "-t", str(self.init), "-a", "-r", "-w", "--"]
        inside += ["env", *(f"{name}={value}" for name, value in environ.items())]
        if user:
            inside += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        done = subprocess.run(
            [*inside, *command], input=text, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0 or not check, (
            f"{shlex.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout + (done.stderr if not check else "")

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file there."""
        self.run("sh", "-c", f"mkdir -p $(dirname {path}); cat > {path}; chmod {mode} {path}", text=text)

    def copy(self, folder: Path, target: str) -> None:
        """Copy a folder of this machine there. It belongs to root, and everybody may read it."""
        self.run("mkdir", "-p", target)
        packed = subprocess.run(
            ["tar", "-C", str(folder), "--owner=0", "--group=0", "--mode=u+rw,go+rX,go-w", "-c", "."],
            check=True, capture_output=True,
        )  # fmt: skip
        command = ["nsenter", "-t", str(self.init), "-a", "-r", "-w", "--", "tar", "-C", target, "-x"]
        subprocess.run(command, input=packed.stdout, check=True)


@contextlib.contextmanager
def machine(*open_to_all: Path) -> Iterator[Machine]:
    """A machine, booted. Users of it may pass through the folders above `open_to_all`."""
    if os.geteuid() != 0:
        pytest.skip("a machine of its own needs root")  # here and below: no package brings that, so CI does not fail
    for each in ("unshare", "nsenter", "setpriv", "systemctl", "ip", "curl", "pivot_root"):
        require(each)
    folder = Path(tempfile.mkdtemp(prefix="etl-machine-", dir="/tmp"))
    unified = next(
        (each for each in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (each / "cgroup.procs").exists()),
        None,
    )
    if unified is None:
        pytest.skip("a machine of its own needs cgroups of version 2")
    group = unified / folder.name
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"a machine of its own needs a group of processes: {error}")
    environ = {
        **os.environ,
        "T": str(folder),
        "MASKED": " ".join(_MASKED),
        "OPEN": " ".join(map(str, open_to_all)),
    }
    log = folder.with_suffix(".log")
    inner = [
        "unshare",
        "--mount",
        "--pid",
        "--net",
        "--uts",
        "--ipc",
        "--cgroup",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
    ]
    command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", *inner, "sh", "-c", _BOOT]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield _booted(process, log)
    finally:
        process.kill()
        process.wait(30)
        _remove(group)
        shutil.rmtree(folder, ignore_errors=True)
        log.unlink()


def _booted(process: "subprocess.Popen[bytes]", log: Path) -> Machine:
    deadline = time.monotonic() + 90
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    said = ""
    while time.monotonic() < deadline and process.poll() is None:
        found = children.read_text().split()
        if found:
            here = Machine(int(found[0]), log)
            said = here.run("systemctl", "is-system-running", check=False)
            if "running" in said or "degraded" in said:
                return here
        time.sleep(0.2)
    pytest.skip(f"no machine of its own can be started here: {said}{log.read_text(errors='replace')[-2000:]}")


def _remove(group: Path) -> None:
    """The processes have been killed with the first one of their namespace; their groups are empty in a moment."""
    deadline = time.monotonic() + 30
    while group.exists() and time.monotonic() < deadline:
        for each in sorted(group.rglob("*"), reverse=True):
            if each.is_dir():
                with contextlib.suppress(OSError):
                    each.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
        time.sleep(0.1)
