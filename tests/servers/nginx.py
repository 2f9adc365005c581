"""nginx on loopback, plain and TLS: one location for each thing that a web server does to its visitors.

======================  =====================================================================
``/``                   200, JSON ``{"state": "ok"}``; with `Nginx.fault` set, that status
``/page``               200, HTML with the words "Sign in"
``/500`` ``/502`` ...   that status; 503 and 429 with ``Retry-After: 120``
``/401``                401 without, 200 with the credentials ``u``:``secret``
``/limited``            one request a second, then 429
``/upstream/refused``   a real 502: the upstream refuses the connection
``/upstream/silent``    a real 504, after a second: the upstream does not answer
``/slow``               200 after three seconds, ``/slow/head`` sends the head at once
``/truncated``          the connection ends within the body
``/bad-chunk``          the chunked body breaks in the middle
``/redirect``           302 to ``/``
``/big``                32 MiB
``/header``             the headers Authorization and User-Agent as they came
======================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.servers import HOST, Process, Server, absent, answers, free_port, need
from tests.servers.certs import Authority, Pair, authority
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import http_head

_ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
FAULTS = (401, 403, 404, 429, 500, 502, 503, 504)

_CONF = """
{modules}
user root;
worker_processes {workers};
worker_rlimit_nofile 65536;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ worker_connections 16384; }}
http {{
    log_format plain '$msec $status "$request" "$http_user_agent"';
    access_log {access};
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    limit_req_zone $server_port zone=one:1m rate=1r/s;
    limit_req_status 429;
    default_type application/json;
    server_tokens off;
    server {{
        listen {host}:{port} backlog=4096;
        listen {host}:{tls_port} ssl backlog=4096;
        server_name localhost;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        location = / {{
{faults}
            return 200 '{{"state": "ok"}}';
        }}
        location = /page {{
            default_type text/html;
            return 200 '<!doctype html><html lang="en"><title>Shop</title><h1>Welcome</h1><a href="/">Sign in</a>';
        }}
{statuses}
        location = /401 {{
            auth_basic "members";
            auth_basic_user_file {folder}/users;
            try_files /ok.json =500;
        }}
        location = /limited {{ limit_req zone=one; try_files /ok.json =500; }}
        location = /upstream/refused {{ proxy_pass http://{host}:{refused}; }}
        location = /upstream/silent {{ proxy_pass http://{host}:{silent}; proxy_read_timeout 1s; }}
        location = /slow {{ echo_sleep 3; echo '{{"state": "ok"}}'; }}
        location = /slow/head {{ echo '{{'; echo_flush; echo_sleep 3; echo '}}'; }}
        location = /truncated {{ proxy_pass http://{host}:{truncated}; proxy_buffering off; }}
        location = /bad-chunk {{ proxy_pass http://{host}:{bad_chunk}; proxy_buffering off; proxy_http_version 1.1; }}
        location = /redirect {{ return 302 /; }}
        location = /big {{ try_files /big =500; }}
        location = /header {{ return 200 '{{"authorization": "$http_authorization", "agent": "$http_user_agent"}}'; }}
        root {folder}/www;
    }}
}}
"""


class Nginx(Server):
    """nginx with the locations above, on ``port`` (plain) and ``tls_port``."""

    def __init__(
        self, folder: Path, *, pair: Pair | None = None, ca: Authority | None = None, workers: int = 1, log: bool = True
    ) -> None:
        super().__init__(folder)
        if not _ECHO.exists():
            absent("needs nginx's module echo (Debian: libnginx-mod-http-echo)")
        self.port, self.tls_port = free_port(), free_port()
        self.access_log = folder / "access.log"
        self._pair = pair or (ca or authority()).issue()
        self._log = log
        self._workers = workers
        # nginx itself keeps to the rules, so what breaks them stands behind it.
        body = b"x" * 5000
        self._behind = [
            Misbehaving("http", "silent"),
            Misbehaving("http", "truncate", instead={0: http_head(10_000) + body}),
            # A byte at a time, so that nginx passes on what comes before the mistake.
            Misbehaving(
                "http",
                "drip",
                pause=0.002,
                instead={0: http_head(None, "Transfer-Encoding: chunked") + b"5\r\nhello\r\nnot a length\r\nworld\r\n"},
            ),
        ]
        self._refused = free_port()
        self.processes = [
            Process(
                [need("nginx"), "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"],
                log=folder / "nginx.out",
                ready=lambda: answers(self.port) and answers(self.tls_port),
            )
        ]

    def url(self, path: str = "/", *, tls: bool = False) -> str:
        """The address of a location."""
        return f"https://localhost:{self.tls_port}{path}" if tls else f"http://localhost:{self.port}{path}"

    def start(self) -> Self:
        self._write()
        for server in self._behind:
            server.start()
        return super().start()

    def stop(self) -> None:
        super().stop()
        for server in self._behind:
            server.stop()

    @property
    def fault(self) -> int | None:
        """The status with which ``/`` answers instead of 200 (one of `FAULTS`); may be set while nginx runs."""
        return next((status for status in FAULTS if self._switch(status).exists()), None)

    @fault.setter
    def fault(self, status: int | None) -> None:
        assert status is None or status in FAULTS
        for one in FAULTS:
            if one == status:
                self._switch(one).touch()
            else:
                self._switch(one).unlink(missing_ok=True)

    def certificate(self, pair: Pair) -> None:
        """Present another certificate from now on (nginx is restarted)."""
        self._pair = pair
        self.restart()

    def requests(self) -> list[str]:
        """The lines of the access log: time, status, request, agent."""
        return self.access_log.read_text().splitlines() if self.access_log.exists() else []

    def _switch(self, status: int) -> Path:
        return self.folder / f"fault-{status}"

    def _write(self) -> None:
        folder = self.folder
        www = folder / "www"
        www.mkdir(exist_ok=True)
        (www / "ok.json").write_text('{"state": "ok"}')
        with (www / "big").open("wb") as big:
            big.truncate(32 << 20)
        (folder / "users").write_text("u:{PLAIN}secret\n")
        chain, key = self._pair.write(folder)
        retry = "add_header Retry-After 120 always;"
        silent, truncated, bad_chunk = (server.port for server in self._behind)
        (folder / "nginx.conf").write_text(
            _CONF.format(
                modules=f"load_module {_ECHO};",
                workers=self._workers,
                folder=folder,
                access=f"{self.access_log} plain" if self._log else "off",
                host=HOST,
                port=self.port,
                tls_port=self.tls_port,
                chain=chain,
                key=key,
                faults="\n".join(
                    f"            if (-f {self._switch(status)}) {{ return {status}; }}" for status in FAULTS
                ),
                statuses="\n".join(
                    f"        location = /{status} {{ {retry if status in (429, 503) else ''} return {status}; }}"
                    for status in FAULTS
                    if status != 401
                ),
                refused=self._refused,
                silent=silent,
                truncated=truncated,
                bad_chunk=bad_chunk,
            )
        )


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    """A running nginx."""
    with Nginx(tmp_path / "nginx") as server:
        yield server
