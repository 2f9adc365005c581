"""Secrets are planted everywhere, and servers say them back: none of them is found in anything kept or shown.

A daemon probes providers that repeat in their answers whatever they were sent, credentials among it. Then everything
is searched: the database (evidence unpacked), its backup, the log, the metrics, every page and every answer of the
API, and what the commands print; for each secret as it is, and in every disguise that a protocol puts it in.
"""

from __future__ import annotations

import base64
import html
import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.clock import SystemClock
from monitor.config.load import load
from monitor.errors import Refused
from monitor.probing.rows import unpack
from monitor.store import open_store
from monitor.times import iso
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import Dns, Http, Smpp, Smtp, http_response
from tests.servers.smpp import pdu
from tests.test_run import Listener, Process


class EchoHttp(Http):
    """Answers 500 with the whole request, in the body, in headers, and as what it calls the exchange."""

    def answer(self, request: bytes) -> bytes:
        self.over = True
        head = request.partition(b"\r\n\r\n")[0]
        line = head.replace(b"\r\n", b" | ").decode("latin-1")
        headers = (f"X-Request-Id: {line[:3000]}", f"X-Echo: {line[:3000]}", f"Retry-After: {line[-300:]}")
        return http_response(request, *headers, status="500 " + head.split(b"\r\n")[0].decode("latin-1"))


class EchoOk(Http):
    """The same with a good status: what fails then is an assertion, whose detail quotes the answer."""

    def answer(self, request: bytes) -> bytes:
        self.over = True
        return http_response(json.dumps({"state": request.decode("latin-1")}).encode())


class Redirecting(Http):
    """Sends everybody on, to an address that holds what they sent."""

    def answer(self, request: bytes) -> bytes:
        self.over = True
        echo = urllib.parse.quote(request.decode("latin-1"))
        return http_response(b"", f"Location: /{echo}", status="302 Found")


class EchoSmtp(Smtp):
    """Takes nobody, and says what they sent."""

    def answer(self, request: bytes) -> bytes:
        if request.upper().startswith((b"EHLO", b"QUIT", b"RSET")):
            return super().answer(request)
        return b"535 5.7.8 not with " + request.strip() + b"\r\n"


class EchoSmpp(Smpp):
    """Refuses the bind, and says with whose password."""

    def answer(self, request: bytes) -> bytes:
        command, sequence = int.from_bytes(request[4:8], "big"), int.from_bytes(request[12:16], "big")
        return pdu(command | 0x80000000, 0x0E, sequence, request[16:])


PLAIN = [f"zQplain{n}marked{n * 7919}" for n in range(12)]
ODD = [f'zQ{n}ödd+mark/ed&se=cr?et "{n * 104729}"' for n in range(3)]
ASCII = [f"zQ{n}odd+mark/ed&se=cr?et'{n * 104729}<>" for n in range(9)]

CONFIG = """
contracts: {{mailgun: {{preset: mailgun, fee: {{amount: 90, currency: USD}}}}}}
web: {{blackbox: blackbox.yml}}
notify:
  heartbeat: {{url: "http://127.0.0.1:{http}/${{BEAT}}", interval: 1s}}
  group_wait: 1s
  channels:
    - {{name: hook, webhook: {{url: "http://127.0.0.1:{http}/hook/${{HOOK}}", secret: "${{HMAC}}"}}}}
    - {{name: post, mail: {{host: 127.0.0.1, port: {smtp}, tls: none, username: u, password: "${{POST}}", from: a@b.example, to: c@d.example}}}}
targets:
  - {{name: api, contract: mailgun, service: api, interval: 1s, http: {{url: "http://127.0.0.1:{http}/a?key=${{QUERY}}", headers: {{Authorization: "${{HEADER}}", X-Own: "${{OWN}}"}}, json: '{{"password": "${{JSON}}"}}'}}}}
  - {{name: basic, interval: 1s, http: {{url: "http://127.0.0.1:{http}/", auth: {{username: u, password: "${{BASIC}}"}}, form: {{pw: "${{FORM}}"}}}}}}
  - {{name: bearer, interval: 1s, http: {{url: "http://127.0.0.1:{http}/", auth: {{token: {{file: token.txt}}}}, body: "${{BODY}}"}}}}
  - {{name: assert, interval: 1s, http: {{url: "http://127.0.0.1:{ok}/", auth: {{token: literal-{literal}}}, expect: {{json: {{"$.state": "x"}}}}}}}}
  - {{name: moved, interval: 1s, page: {{url: "http://127.0.0.1:{moved}/", headers: {{X-Own: "${{OWN}}"}}, auth: {{username: u, password: "${{BASIC}}"}}}}}}
  - {{name: proxied, interval: 1s, http: {{url: "http://service.example/", proxy: "http://me:${{PROXY}}@127.0.0.1:{http}"}}}}
  - {{name: steps, interval: 1s, steps: {{steps: [{{url: "http://127.0.0.1:{http}/", expect: {{status: 500}}, form: {{password: "${{STEP}}"}}, capture: {{t: {{regex: "password=(\\\\S+)"}}}}}}, {{url: "/b?t={{{{t}}}}"}}]}}}}
  - {{name: sms, interval: 1s, sms: {{url: "http://127.0.0.1:{http}/send", params: {{username: u, password: "${{SMS}}"}}}}}}
  - {{name: smtp, contract: mailgun, service: smtp, interval: 1s, smtp: {{host: 127.0.0.1, port: {smtp}, tls: none, username: user, password: "${{SMTP}}"}}}}
  - {{name: login, interval: 1s, smtp: {{host: 127.0.0.1, port: {smtp}, tls: none, auth: login, username: user, password: "${{LOGIN}}"}}}}
  - {{name: smpp, interval: 1s, smpp: {{host: 127.0.0.1, port: {smpp}, system_id: u, password: "${{SMPP}}"}}}}
  - {{name: delivery, interval: 1s, delivery: {{budget: 9, smtp: {{host: 127.0.0.1, port: {smtp}, tls: none, username: user, password: "${{SMTP}}"}}, imap: {{host: 127.0.0.1, port: {smtp}, tls: none, username: u, password: "${{IMAP}}"}}, from: a@b.example, to: c@d.example}}}}
  - {{name: tcp, interval: 1s, tcp: {{host: 127.0.0.1, port: {smtp}, send: "MAIL ${{TCP}}", expect: nothing}}}}
  - {{name: grpc, interval: 1s, grpc: {{host: 127.0.0.1, port: {http}, metadata: {{authorization: "Bearer ${{META}}"}}}}}}
  - {{name: dns, interval: 1s, dns: {{name: "{dnsname}.example", server: "127.0.0.1:{dns}", values: x}}}}
"""  # noqa: E501 - one target a line

ENVIRONMENT = {
    **dict(zip(("QUERY", "HOOK", "BEAT", "PROXY", "SMPP", "TCP", "META", "OWN", "STEP"), PLAIN, strict=False)),
    **dict(zip(("UNUSED", "FORM", "BODY"), ODD, strict=True)),
    **dict(zip(("BASIC", "SMTP", "LOGIN", "IMAP", "POST", "HMAC", "SMS"), ASCII, strict=False)),
    "HEADER": f"Bearer {PLAIN[9]}",
    "JSON": PLAIN[10],
}
ENVIRONMENT["SMPP"] = "zQ8mark!"  # SMPP 3.4 knows eight characters
FILE, LITERAL, MODULE = ASCII[7], PLAIN[11], "zQmodule-marked-password"
SECRETS = {*ENVIRONMENT.values(), PLAIN[9], LITERAL, FILE, MODULE} - {ENVIRONMENT["HEADER"]}


def disguises(secret: str) -> dict[str, str]:
    """How a secret may stand in a text, by name."""
    raw = secret.encode()
    found = {
        "as it is": secret,
        "quoted": urllib.parse.quote(secret, safe=""),
        "quoted with plus": urllib.parse.quote_plus(secret),
        "in JSON": json.dumps(secret)[1:-1],
        "in HTML": html.escape(secret),
        "in hex": raw.hex(),
        "in base64": base64.b64encode(raw).decode().rstrip("=")[:-1],
        "after a name in base64": base64.b64encode(b"u:" + raw).decode().rstrip("=")[3:-1],
        "as AUTH PLAIN": base64.b64encode(b"\0user\0" + raw).decode().rstrip("=")[8:-1],
    }
    return {name: text for name, text in found.items() if len(text) > 5}


def found_in(where: str, text: str) -> list[str]:
    """Each secret that stands in this text, with its surroundings."""
    wrong = []
    for secret in SECRETS:
        for name, form in disguises(secret).items():
            if form in text:
                at = text.index(form)
                wrong.append(f"{where}: {secret!r} {name}: ...{text[max(0, at - 80) : at + len(form) + 40]!r}")
    return wrong


def command(process: Process, *arguments: str) -> str:
    """What a command prints, on both streams."""
    done = CliRunner().invoke(cli, [*arguments, "--config", str(process.config)], env=ENVIRONMENT)
    assert done.exception is None or isinstance(done.exception, SystemExit | Refused), done.exc_info
    return f"{done.output}{done.exception or ''}"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A daemon that has probed for a few seconds, still running."""
    folder = tmp_path_factory.mktemp("planted")
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(Misbehaving(kind))
            for name, kind in (
                ("http", EchoHttp), ("ok", EchoOk), ("moved", Redirecting), ("smtp", EchoSmtp), ("smpp", EchoSmpp),
                ("dns", Dns),
            )
        }  # fmt: skip
        (folder / "token.txt").write_text(FILE + "\n")
        (folder / "blackbox.yml").write_text(
            f"modules: {{m: {{prober: http, http: {{basic_auth: {{username: u, password: {MODULE}}}}}}}}}\n"
        )
        listener = Listener()
        stack.callback(listener.close)
        process = Process(folder, listener)
        stack.callback(lambda: process.process is not None and process.stop())
        ports = {name: server.port for name, server in servers.items()}
        body = CONFIG.format(**ports, literal=LITERAL, dnsname="www")
        process.config.write_text(
            f"listen: 127.0.0.1:{process.port}\nreference_hosts: ['127.0.0.1:{listener.port}']\n{body}"
        )
        process.start(environment=ENVIRONMENT)
        everybody = len(load(process.config, environment=ENVIRONMENT).targets)
        process.until(lambda: _seen(process) == everybody)
        time.sleep(4)  # for what follows: extra probes, messages, heartbeats
        yield process


def _seen(process: Process) -> int:
    """How many targets were probed at least once."""
    with open_store(process.folder / "slaproof.db", "main", SystemClock(), create=False) as store:
        return len(store.reader.series())


def rows(process: Process) -> list[tuple[str, str, int, str]]:
    """Target, outcome, at and everything kept of each probe."""
    kept = []
    with open_store(process.folder / "slaproof.db", "main", SystemClock(), create=False) as store:
        reader = store.reader
        for row in reader.rows(0, 1 << 52):
            evidence = reader.evidence(row.target, row.location, row.at)
            told = json.dumps(unpack(evidence.blob), ensure_ascii=False) if evidence is not None else ""
            text = f"{row.detail} {json.dumps(dict(row.facts), default=str)} {json.dumps(dict(row.ids))} {told}"
            kept.append((row.target, row.outcome, row.at, text))
        events = [json.dumps(dict(event.data), default=str) for event in reader.events()]
    return [*kept, ("events", "", 0, "\n".join(events))]


def test_nothing_shows_a_secret(planted: Process) -> None:
    """Pages, API, metrics and commands while it runs; then log, database and backup."""
    process = planted
    wrong: list[str] = []
    status = process.get("/")[0]
    assert status == 200
    paths = {
        "/",
        "/contracts",
        "/contracts/mailgun",
        "/monitor",
        "/proofs",
        "/metrics",
        "/-/healthy",
        "/services/mailgun/api",
    }
    paths |= {
        f"/api/v1/{name}" for name in ("status", "contracts", "availability", "outages", "results", "gaps", "events")
    }
    for path in list(paths):
        text = process.get(path)[1]
        links = {html.unescape(link) for link in re.findall(r'href="(/[^"#]*)"', text)}
        paths |= {link for link in links if not link.startswith(("/lang/", "/static/", "/live"))}
    results = json.loads(process.get("/api/v1/results?limit=500")[1])
    listed = next(value for value in results.values() if isinstance(value, list))
    assert listed
    paths |= {f"/api/v1/results/{one['target']}/{one['location']}/{one['at']}" for one in listed[-60:]}
    paths.add(f"/probe?module=m&debug=true&target={urllib.parse.quote('127.0.0.1:' + _port(process))}")
    read = {path: process.get(path) for path in sorted(paths)}
    assert sum(status == 200 for status, _ in read.values()) > 40, {p: s for p, (s, _) in read.items()}
    for path, (_, text) in read.items():
        wrong += found_in(path, text)

    names = (
        "api",
        "basic",
        "bearer",
        "assert",
        "moved",
        "proxied",
        "steps",
        "sms",
        "smtp",
        "login",
        "smpp",
        "tcp",
        "grpc",
    )
    for name in names:
        for form in ((), ("--json",)):
            wrong += found_in(f"slaproof probe {name}", command(process, "probe", name, *form))
    for arguments in (
        ("check",), ("check", "--json"), ("status",), ("schema",),
        *(("report", "--format", form) for form in ("text", "json", "csv")),
    ):  # fmt: skip
        wrong += found_in(f"slaproof {' '.join(arguments)}", command(process, *arguments))
    backup = process.folder / "copy.db"
    command(process, "backup", str(backup))
    process.stop()

    kept = rows(process)
    seen = {(target, outcome) for target, outcome, _, _ in kept}
    wanted = {
        "api": "server_error", "basic": "server_error", "bearer": "server_error", "assert": "wrong_answer",
        "moved": "wrong_answer", "proxied": "server_error", "steps": "server_error", "sms": "server_error",
        "smtp": "rejected", "login": "rejected", "smpp": "rejected", "tcp": "timeout", "grpc": "protocol",
    }  # fmt: skip
    assert wanted.keys() == set(names)
    assert wanted.items() <= seen  # on a busy machine others time out as well
    for target, _, at, text in kept:
        wrong += found_in(f"{target} at {iso(at)}", text)
    for target in names:
        at = max(when for name, _, when, _ in kept if name == target)
        wrong += found_in(f"slaproof show {target}", command(process, "show", target, iso(at)))
    wrong += found_in("log", process.log())
    for file in process.folder.iterdir():
        if file.suffix != ".yml" and file.name not in ("monitor.yaml", "token.txt") and file.is_file():
            wrong += found_in(file.name, file.read_bytes().decode("latin-1"))
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:30])


def _port(process: Process) -> str:
    found = re.search(r"http://127\.0\.0\.1:(\d+)/a\?", process.config.read_text())
    assert found is not None
    return found[1]
