"""The reverse proxy with the login in front of Dagster's web server, as a configuration of nginx.

Belongs here: TLS, the login, and which requests reach the web server. Not here: who has an account (a file that an
operator writes), and rights inside Dagster, which has none: whoever has logged in may do everything.
"""

import re
from pathlib import PurePosixPath
from string import Template

from etl.deployment.shape import Shape
from etl.errors import EtlError

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST_NAME = 253

_TEXT = Template("""\
# The login in front of Dagster's web server, which has none of its own. nginx includes this file in its block `http`.

map $$http_upgrade $$etl_connection { default upgrade; "" ""; }

# A browser sends the login of a person also with requests that another site makes it send. Those name the other site.
map $$http_origin $$etl_is_foreign { default 1; "" 0; "https://$host" 0; "https://$host:$port" 0; }

upstream etl_web { server $upstream; keepalive 8; }

server {
    listen $port ssl;
    server_name $host;

    ssl_certificate $certificate;
    ssl_certificate_key $key;
    ssl_protocols TLSv1.2 TLSv1.3;

    server_tokens off;
    client_max_body_size 8m;
    add_header Strict-Transport-Security "max-age=31536000" always;
    add_header X-Content-Type-Options nosniff always;
    add_header X-Frame-Options DENY always;

    auth_basic "etl";
    auth_basic_user_file $accounts;

    location / {
        if ($$etl_is_foreign) { return 403; }
        proxy_pass http://etl_web;
        proxy_http_version 1.1;
        proxy_set_header Host $$host;
        proxy_set_header Upgrade $$http_upgrade;
        proxy_set_header Connection $$etl_connection;
        proxy_set_header X-Forwarded-For $$proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $$scheme;
        proxy_set_header Authorization "";  # the password ends here
        proxy_read_timeout 1h;  # an open page keeps its connection for as long as it is open
        proxy_buffering off;
    }
}
""")


def checked_host(host: str) -> str:
    """Return the name, if it is one by which a browser can reach a machine. Raises an error otherwise."""
    labels = host.split(".")
    if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(each) for each in labels):
        raise EtlError(
            f"`{host}` is no name of a machine",
            "give the name alone, without https://, port and path, such as etl.example.com",
        )
    return host


def nginx(
    shape: Shape, host: str, *, upstream: str, accounts: PurePosixPath, tls: PurePosixPath, port: int = 443
) -> str:
    """Return the configuration for the web server at `upstream`, reached by people at `https://host`.

    `accounts` is a file with one line `name:hash` for each person. `tls` is a folder with its certificate and key.
    """
    del shape
    return _TEXT.substitute(
        host=host,
        port=port,
        upstream=upstream,
        accounts=accounts,
        certificate=tls / "server.crt",
        key=tls / "server.key",
    )
