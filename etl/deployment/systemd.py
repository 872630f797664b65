"""The files of an installation on one machine with systemd: a user, a unit and a file of variables for each service.

Belongs here: units, users, folders, and the script that installs them. Not here: what runs (`shape`), Dagster's
settings (`instance`), the proxy (`proxy`).

The paths of the files are those on the machine, below its root. PostgreSQL and nginx are the machine's own.
"""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from string import Template

from etl.deployment.database_role import role_and_database
from etl.deployment.instance import instance_settings, workspace
from etl.deployment.proxy import nginx
from etl.deployment.secret_store import SecretFolder
from etl.deployment.shape import Service, Shape
from etl.deployment.variables_file import secret_files
from etl.settings import Settings

GROUP = "etl"
"""All services: they may read the project and Dagster's settings."""
HUB = "etl-hub"
"""The web server and the daemon: only they may talk to code servers, which ask nobody for a password."""
ONE_MACHINE = "ETL_ONE_MACHINE"
"""Says that a run of an earlier boot of this machine has ended; otherwise it might be at work on another machine."""
_BACKUPS = "/var/backups/etl"
_SECONDS_FOR_RUNS = 300
"""How long a code server that is stopped or restarted waits for its runs. Then they are killed."""
_SANDBOX = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=ENOSYS
"""
_BACKUP_TIMER = """\
[Unit]
Description=etl: a backup every night

[Timer]
OnCalendar=*-*-* 01:30
RandomizedDelaySec=10m
Persistent=true

[Install]
WantedBy=etl.target
"""
_AS = Template("""\
#!/bin/sh
# etl-as SERVICE COMMAND...  runs a command as a service of this installation, with its user and its variables, such as
# etl-as code-acme etl verify acme
set -eu
[ $$# -gt 1 ] || { sed -n '2,3p' "$$0" >&2; exit 2; }
service=$$1; shift
unit=etl-$$service.service
user=$$(systemctl show --property=User --value "$$unit")
[ -n "$$user" ] || { echo "there is no service $$service; there are:" >&2; ls $config/variables >&2; exit 2; }
if [ -t 0 ] && [ -t 1 ]; then how=--pty; else how=--pipe; fi
exec systemd-run --quiet --collect --wait $$how --uid="$$user" --gid="$$user" \\
    --property=WorkingDirectory=$project --property=UMask=0007 \\
    --property="Environment=$$(systemctl show --property=Environment --value "$$unit")" \\
    --property=EnvironmentFile=$config/variables/"$$service".env \\
    --setenv=PATH="$$(dirname "$$(readlink -f "$$0")")":/opt/etl/venv/bin:/usr/bin:/bin "$$@"
""")
_INSTALL = Template("""\
#!/bin/sh
# Installs these files on this machine: `sudo sh install`. Run it again after they were written again.
# A file of variables that exists stays as it is: each variable that it lacks is named at the end.
set -eu
cd "$$(dirname "$$0")"
find etc usr -type f | while read -r file; do
    case $$file in
        $config/variables/*) mode=600; [ ! -e "/$$file" ] || continue ;;
        $config/*) mode=640 ;;
        usr/local/bin/*) mode=755 ;;
        *) mode=644 ;;
    esac
    install -D -m $$mode "$$file" "/$$file"
done
systemd-sysusers
systemd-tmpfiles --create /etc/tmpfiles.d/etl.conf
chgrp -R $group /$home
systemctl daemon-reload
for unit in /etc/systemd/system/etl-code-*.service; do
    name=$$(basename "$$unit" .service)
    [ -e "etc/systemd/system/$$name.service" ] || {
        echo "$$name is not one of the services any more. What it has written stays in its folder. Remove the service:"
        echo "    systemctl disable --now $$name; rm $$unit"
    }
done
for file in $config/variables/*.env; do
    sed -n 's/^\\([A-Za-z_][A-Za-z0-9_]*\\)=.*/\\1/p' "$$file" | while read -r name; do
        if ! grep -q "^$$name=" "/$$file"; then
            echo "/$$file lacks $$name: add the line $$name=VALUE"
        elif grep -q "^$$name=\\$$" "/$$file"; then
            echo "/$$file has no value for $$name"
        fi
    done
done
""")


def files(shape: Shape, settings: Settings, host: str) -> dict[str, str]:
    """Return the files by their paths below the machine's root. People reach the installation at `https://host`."""
    config = str(shape.places.config)[1:]
    home = str(shape.places.home)[1:]
    found = {
        "etc/sysusers.d/etl.conf": _users(shape),
        "etc/tmpfiles.d/etl.conf": _folders(shape),
        "etc/systemd/system/etl.target": _target(shape),
        f"{home}/dagster.yaml": instance_settings(shape, settings),
        f"{home}/workspace.yaml": workspace(shape, lambda each: {"socket": str(socket_of(each, shape))}),
        "etc/systemd/system/etl-database.service": _tables(shape),
        "etc/systemd/system/etl-backup.service": _backup(shape),
        "etc/systemd/system/etl-backup.timer": _BACKUP_TIMER,
        "usr/local/bin/etl-as": _AS.substitute(project=shape.places.project, config=shape.places.config),
        "install": _INSTALL.substitute(config=config, home=home, group=GROUP),
        f"{config}/shape.json": json.dumps(shape.model_dump(mode="json"), indent=2) + "\n",
        f"{config}/database.sql": _database(shape),
        "etc/nginx/conf.d/etl.conf": nginx(
            shape,
            host,
            upstream=f"127.0.0.1:{shape.web.port}",
            accounts=shape.places.config / "accounts",
            tls=shape.places.config / "tls",
        ),
    }
    for each in shape.services:
        found[f"etc/systemd/system/etl-{each.name}.service"] = _unit(each, shape)
        found[f"{config}/variables/{each.name}.env"] = variables(each)
    return found


def socket_of(service: Service, shape: Shape) -> PurePosixPath:
    """Return the socket at which a code server listens. Its folder lets in the web server and the daemon only."""
    return shape.places.run / service.name / "grpc.sock"


def variables(service: Service) -> str:
    """Return the file of a service's variables, without values."""
    lines = ["# Variables of this service only. systemd reads this file as root; no service may read it."]
    lines += [f"{name}=" for name in service.variables]
    lines += [f"# {name}=" for name in service.optional]
    lines += secret_files(service)
    return "\n".join(lines) + "\n"


def _unit(service: Service, shape: Shape) -> str:
    # what talks to code servers starts after them and stops before them: they wait for requests that are not answered
    first = "" if service.kind == "code" else "".join(f" etl-{each.name}.service" for each in shape.code_servers)
    return "\n".join([
        "[Unit]",
        f"Description=etl: {_description(service)}",
        f"After=network-online.target postgresql.service etl-database.service{first}",
        "Wants=network-online.target etl-database.service",
        "PartOf=etl.target",
        "",
        "[Service]",
        *_execution(service, shape),
        "",
        "[Install]",
        "WantedBy=etl.target",
        "",
    ])  # fmt: skip


def _execution(service: Service, shape: Shape) -> Iterator[str]:
    command = (
        service.listening(socket=socket_of(service, shape))
        if service.kind == "code"
        else service.listening(host="127.0.0.1")
    )
    yield "Type=exec"
    yield from _identity(service, shape)
    yield f"ExecStart={' '.join(map(_quoted, command))}"
    yield "Restart=always"
    yield "RestartSec=5"
    yield f"MemoryMax={service.memory_mb}M"
    if service.kind == "code":
        yield "OOMPolicy=continue"  # a run that takes too much memory is killed alone
        yield "KillMode=mixed"  # it starts no run any more, and waits for those that are at work
        yield f"TimeoutStopSec={_SECONDS_FOR_RUNS}"
    yield from _SANDBOX.splitlines()
    writes = [*service.writes, *([socket_of(service, shape).parent] if service.kind == "code" else [])]
    yield f"ReadWritePaths={' '.join(map(str, writes))}"
    if hidden := [each.place for each in _secret_folders(shape) if each not in service.secret_folders]:
        yield f"InaccessiblePaths={' '.join(_quoted(f'-{each}') for each in hidden)}"
    if service.kind != "daemon":
        yield "ProtectProc=invisible"  # the daemon has to see whether the processes of runs live


def _secret_folders(shape: Shape) -> list[SecretFolder]:
    return [folder for each in shape.code_servers for folder in each.secret_folders]


def _quoted(word: str) -> str:
    """Return a word of a command as systemd reads it: `%` and `$` stand for themselves."""
    word = word.replace("%", "%%").replace("$", "$$")
    return word if word and not set(word) & set(" \"'\\;") else json.dumps(word)


def _description(service: Service) -> str:
    names = {"web": "web server", "daemon": "daemon"}
    return names.get(service.kind) or f"code server {service.location}"


def _target(shape: Shape) -> str:
    wants = " ".join(f"etl-{each.name}.service" for each in shape.services)
    wants += " etl-backup.timer"
    return f"[Unit]\nDescription=etl: everything\nWants={wants}\n\n[Install]\nWantedBy=multi-user.target\n"


def _users(shape: Shape) -> str:
    lines = [f"g {GROUP} -", f"g {HUB} -"]
    for each in shape.services:
        lines.append(f'u {each.user} - "etl: {_description(each)}" {shape.places.state / each.name}')
        lines.append(f"m {each.user} {GROUP}")
        if each.kind != "code":
            lines.append(f"m {each.user} {HUB}")
    return "\n".join(lines) + "\n"


def _folders(shape: Shape) -> str:
    places, web = shape.places, shape.web.user
    lines = [
        f"d {_BACKUPS} 0700 root root",
        f"d {places.config} 0750 root {GROUP}",
        f"d {places.home} 0750 root {GROUP}",
        f"d {places.config / 'variables'} 0700 root root",
        f"d {places.state} 0750 root {GROUP}",
        f"d {places.run} 0750 root {GROUP}",
    ]
    for each in shape.services:
        own = f"{each.user} {each.user}"
        lines += [
            f"d {places.state / each.name} 0710 {each.user} {web}",
            f"d {places.data(each.name)} 0700 {own}",
            f"d {places.local(each.name)} 0700 {own}",
            f"d {places.logs(each.name)} 2750 {each.user} {web} 90d",
        ]
        if each.kind == "code":
            lines.append(f"d {places.run / each.name} 2750 {each.user} {HUB}")
        # the files of secrets belong to the code server, and `~` takes rights away without giving any
        lines += [f"Z {folder.place} ~0500 {own}" for folder in each.secret_folders]
    return "\n".join(lines) + "\n"


def _tables(shape: Shape) -> str:
    """The unit that makes and upgrades the tables: services that start at one moment would do so against each other."""
    daemon = shape.daemon
    command = (str(shape.places.programs / "dagster"), "instance", "migrate")
    lines = [
        "Type=oneshot",
        "RemainAfterExit=yes",
        *_identity(daemon, shape),
        f"ExecStart={' '.join(map(_quoted, command))}",
        "Restart=on-failure",
        "RestartSec=5",
        *_SANDBOX.splitlines(),
        f"ReadWritePaths={' '.join(map(str, daemon.writes))}",
    ]
    unit = ["Description=etl: the tables of Dagster's database", "After=network-online.target postgresql.service"]
    return "\n".join(["[Unit]", *unit, "PartOf=etl.target", "", "[Service]", *lines, ""])


def _identity(service: Service, shape: Shape) -> Iterator[str]:
    """Yield the user of a service, its folder and its variables."""
    yield f"User={service.user}"
    yield f"Group={service.user}"
    yield "UMask=0007"
    yield f"WorkingDirectory={shape.places.project}"
    for name, value in {**shape.settings, **service.settings, ONE_MACHINE: "1"}.items():
        yield f'Environment="{name}={value}"'
    yield f"EnvironmentFile={shape.places.config}/variables/{service.name}.env"


def _backup(shape: Shape) -> str:
    """The unit of the backup. It runs as root, because only root may become the user of each service."""
    places = shape.places
    return "\n".join([
        "[Unit]",
        "Description=etl: backup",
        "After=postgresql.service",
        "",
        "[Service]",
        "Type=oneshot",
        f"EnvironmentFile={places.config}/variables/{shape.daemon.name}.env",
        f"ExecStart={places.programs}/etl backup --shape {places.config}/shape.json --out {_BACKUPS} --keep 14",
        "UMask=0077",
        "Nice=10",
        "IOSchedulingClass=idle",
        "PrivateTmp=yes",
        "ProtectSystem=strict",
        f"ReadWritePaths={_BACKUPS} {places.state}",
        "",
    ])  # fmt: skip


def _database(shape: Shape) -> str:
    """SQL that an administrator of PostgreSQL executes once. psql asks for nothing: the password is its variable."""
    return f"-- sudo -u postgres psql -v ON_ERROR_STOP=1 -v password=... -f database.sql\n{role_and_database(shape)}"
