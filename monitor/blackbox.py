"""One probe for whoever asks, answered as blackbox_exporter answers: the same modules, the same metrics.

Nothing of it is recorded: what counts for a contract is probed on the daemon's own schedule. It serves dashboards,
alerts and habits that know the exporter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import probes
from monitor.importers.blackbox import Module, Translated, Unlike, read_modules, translate
from monitor.metrics.exposition import Page, labels, seconds
from monitor.probing.rows import phases_of
from probes._outcome import Outcome, Result
from probes._redact import Redactor
from probes._run import run

DEFAULT_TIMEOUT_S = 120.0
OFFSET_S = 0.5
"""How long before Prometheus' own timeout a probe ends, so that its answer still counts."""
_SECRET = re.compile(r"(?i)password|secret|token|credentials|authorization|api[-_]?key|cookie")
_HTTP_PHASES = ("resolve", "connect", "tls", "processing", "transfer")


class BadQuestion(ValueError):
    """The question names no target, no known module, or one that cannot be asked; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What ``/probe`` was asked. ``scrape_timeout_s`` is Prometheus' own, where its header says so."""

    target: str
    module: str = "http_2xx"
    hostname: str = ""
    debug: bool = False
    scrape_timeout_s: float | None = None


class Exporter:
    """Answers with the modules of a blackbox.yml, read anew when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = -1
        self._modules: dict[str, Module] = {}

    def _module(self, name: str) -> Module:
        stamp = self._path.stat().st_mtime_ns
        if stamp != self._stamp:
            self._modules, self._stamp = read_modules(self._path), stamp
        if name not in self._modules:
            raise BadQuestion(f"Unknown module {name!r}")
        return self._modules[name]

    async def answer(self, question: Question, *, probe_id: str, now_ms: int, nameservers: tuple[str, ...] = ()) -> str:
        """The metrics, or with ``debug`` the whole story. Raises BadQuestion, Refused."""
        if not question.target:
            raise BadQuestion("Target parameter is missing")
        module = self._module(question.module)
        secrets = {text for text in _secrets(module) if text}
        try:
            made = translate(module, question.target)
            if question.hostname:
                _host(made, question.hostname)
            settings = _with_files(made.settings, self._path.parent, secrets)
            target = probes.load(made.kind).Target.model_validate(settings, context={"base": self._path.parent})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BadQuestion(f"module {question.module}: {where}: {first['msg']}") from None
        except (Unlike, OSError, ValueError) as error:
            raise BadQuestion(f"module {question.module}: {error}") from None
        redactor = Redactor(secrets)
        result = await run(
            made.kind,
            target,
            timeout_s=_timeout(made, question),
            probe_id=probe_id,
            now_ms=now_ms,
            redactor=redactor,
            nameservers=nameservers,
            transcripts=question.debug,
        )
        page = metrics(made.kind, result)
        return _debug(result, page, redactor(_yaml(module))) if question.debug else page


def _timeout(made: Translated, question: Question) -> float:
    limits = [made.timeout_ms / 1000] if made.timeout_ms else []
    if question.scrape_timeout_s:
        limits.append(max(0.1, question.scrape_timeout_s - OFFSET_S))
    return min(limits, default=DEFAULT_TIMEOUT_S)


def _host(made: Translated, hostname: str) -> None:
    """The parameter ``hostname``: another name in the Host header and in the certificate than in the address."""
    if made.kind == "http":
        headers = made.settings.setdefault("headers", {})
        if any(name.lower() == "host" and value.lower() != hostname.lower() for name, value in headers.items()):
            raise BadQuestion("Host header defined both in module configuration and with URL-parameter 'hostname'")
        headers["Host"] = hostname
        made.settings["tls"] = {"server_name": hostname, **made.settings.get("tls", {})}
    elif made.kind in ("tcp", "grpc") and made.settings.get("tls"):
        tls = made.settings["tls"]
        made.settings["tls"] = {"server_name": hostname, **(tls if isinstance(tls, dict) else {})}


def _with_files(value: Any, base: Path, secrets: set[str]) -> Any:
    """The settings with the contents of the files that they name; what comes from a file is a secret."""
    if isinstance(value, dict) and list(value) == ["file"]:
        text = (base / str(value["file"])).read_text().rstrip("\r\n")
        secrets.add(text)
        return text
    if isinstance(value, dict):
        return {key: _with_files(item, base, secrets) for key, item in value.items()}
    return [_with_files(item, base, secrets) for item in value] if isinstance(value, list) else value


def _secrets(block: object, key: str = "") -> list[str]:
    if isinstance(block, Mapping):
        # In `secrets: [...]` and `metadata: {authorization: [...]}` the name stands above.
        return [text for name, item in block.items() for text in _secrets(item, f"{key}.{name}")]
    if isinstance(block, list):
        return [text for item in block for text in _secrets(item, key)]
    if isinstance(block, str) and _SECRET.search(key) and not key.endswith("_file"):
        return [block, *block.split(" ")[1:]]
    return []


def _yaml(module: Module) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    out = StringIO()
    yaml.dump(dict(module), out)
    return out.getvalue()


def _debug(result: Result, page: str, module: str) -> str:
    lines = [f"outcome={result.outcome} fault={result.fault} duration={result.duration_ms}ms peer={result.peer or '-'}"]
    if result.detail:
        lines += [f"detail: {result.detail}", f"advice: {result.advice}"]
    lines += [f"phase {phase.name}: {phase.duration_ms} ms" for phase in result.phases]
    lines += [f"{line.at_ms:8.1f} ms {line.mark} {line.text}" for line in result.transcript]
    logs = "\n".join(lines)
    told = f"Logs for the probe:\n{logs}\n\n\n\nMetrics that would have been returned:\n{page}"
    return f"{told}\n\n\nModule configuration:\n{module}"


def metrics(kind: str, result: Result) -> str:
    """The result under the names that blackbox_exporter gives it."""
    if result.outcome is Outcome.TLS:
        # What we saw of the certificate came from a second look, after the handshake had failed.
        result = replace(result, tls=None)
    page = Page()
    phases = phases_of(result)
    resolve = seconds(phases.get("resolve", 0))
    page.gauge("probe_dns_lookup_time_seconds", "How long the name's resolution took", resolve)
    page.gauge(
        "probe_duration_seconds",
        "How long the probe took",
        seconds(result.duration_ms),
    )
    _OF_KIND[kind](page, result, phases)
    _address(page, result)
    page.gauge(
        "probe_success",
        "Whether the service did what was asked",
        int(result.outcome is Outcome.OK),
    )
    _tls(page, result)
    return page.text()


def _of_http(page: Page, result: Result, phases: Mapping[str, float]) -> None:
    facts, code = result.facts, result.code or 0
    read = facts.get("body_bytes", 0)
    page.gauge(
        "probe_failed_due_to_regex",
        "Whether an expression decided against the answer",
        int((result.outcome is Outcome.WRONG_ANSWER and "body" in result.detail) or "header" in result.detail),
    )
    length = facts.get("content_length", -1 if "http_version" in facts else 0)
    page.gauge("probe_http_content_length", "Bytes of the body as its header says, else -1", int(length or 0))
    page.gauge(
        "probe_http_duration_seconds",
        "How long each phase took, all redirects together",
        [(labels(phase=phase), seconds(phases.get(phase, 0))) for phase in _HTTP_PHASES],
    )
    if isinstance(modified := facts.get("last_modified"), int):
        page.gauge(
            "probe_http_last_modified_timestamp_seconds", "When the content was changed last, as Unix time",
            modified,
        )  # fmt: skip
    page.gauge("probe_http_redirects", "How many redirects were followed", int(facts.get("redirects") or 0))
    page.gauge("probe_http_ssl", "Whether TLS was used", int(result.tls is not None))
    status = code if 100 <= code < 1000 else 0
    page.gauge("probe_http_status_code", "The status of the last answer", status)
    page.gauge("probe_http_uncompressed_body_length", "Bytes of the body, unpacked", int(read or 0))
    version = facts.get("http_version")
    page.gauge("probe_http_version", "The version of HTTP that was spoken", str(version or 0))


def _of_tcp(page: Page, result: Result, phases: Mapping[str, float]) -> None:
    failed = result.outcome in (Outcome.WRONG_ANSWER, Outcome.TIMEOUT) and "answer" in phases
    page.gauge("probe_failed_due_to_regex", "Whether an expression decided against the answer", int(failed))


def _of_dns(page: Page, result: Result, phases: Mapping[str, float]) -> None:
    facts = result.facts
    for section in ("additional", "answer", "authority"):
        page.gauge(
            f"probe_dns_{section}_rrs",
            f"How many records stand in the section {section}",
            int(facts.get(f"{section}_rrs") or 0),
        )
    page.gauge(
        "probe_dns_duration_seconds",
        "How long each phase took",
        [(labels(phase=name), seconds(phases.get(ours, 0)))
         for name, ours in (("resolve", "resolve"), ("connect", "connect"), ("request", "answer"))],
    )  # fmt: skip
    page.gauge(
        "probe_dns_query_succeeded",
        "Whether an answer came",
        int("rcode" in facts),
    )
    if isinstance(serial := facts.get("serial"), int):
        page.gauge("probe_dns_serial", "The serial number of the zone", serial)


def _of_icmp(page: Page, result: Result, phases: Mapping[str, float]) -> None:
    page.gauge(
        "probe_icmp_duration_seconds",
        "How long each phase took",
        [(labels(phase=name), seconds(phases.get(ours, 0)))
         for name, ours in (("resolve", "resolve"), ("setup", "setup"), ("rtt", "echo"))],
    )  # fmt: skip


def _of_grpc(page: Page, result: Result, phases: Mapping[str, float]) -> None:
    page.gauge(
        "probe_grpc_duration_seconds",
        "How long each phase took",
        [(labels(phase=name), seconds(spent)) for name, spent in (
            ("resolve", phases.get("resolve", 0)),
            ("check", sum(phases.get(phase, 0) for phase in ("connect", "tls", "processing"))),
        )],
    )  # fmt: skip
    serving = result.facts.get("serving")
    known = ("NOT_SERVING", "SERVICE_UNKNOWN", "SERVING", "UNKNOWN")
    page.gauge(
        "probe_grpc_healthcheck_response",
        "What the health check said",
        [(labels(serving_status=status), int(serving == status)) for status in known],
    )
    page.gauge("probe_grpc_ssl", "Whether TLS was used", int(result.tls is not None))
    page.gauge("probe_grpc_status_code", "The status of the call", int(result.code or 0))


_OF_KIND = {"http": _of_http, "tcp": _of_tcp, "dns": _of_dns, "icmp": _of_icmp, "grpc": _of_grpc}


def _address(page: Page, result: Result) -> None:
    from probes._resolve import literal

    peer = result.peer or ""
    host = literal(peer) or literal(peer.rpartition(":")[0])
    if host is None:
        return
    import ipaddress

    address = ipaddress.ip_address(host)
    # FNV-1a with 32 bits over the address's bytes, so that a change of address shows.
    digest = 0x811C9DC5
    for byte in address.packed:
        digest = (digest ^ byte) * 0x01000193 & 0xFFFFFFFF
    page.gauge("probe_ip_addr_hash", "A hash of the address that was asked, to see it change", digest)
    page.gauge("probe_ip_protocol", "The IP version of the connection", address.version)


def _tls(page: Page, result: Result) -> None:
    seen = result.tls
    if seen is None:
        return
    if seen.not_after is not None:
        page.gauge(
            "probe_ssl_earliest_cert_expiry",
            "When the first certificate of the chain ends, as Unix time",
            seen.not_after,
        )
        # Without verification there is no verified chain; the exporter then says the year 1, Go's instant zero.
        page.gauge(
            "probe_ssl_last_chain_expiry_timestamp_seconds",
            "When the verified chain ends, as Unix time",
            seen.not_after if seen.verified else -62_135_596_800,
        )
    if seen.version:
        spoken = seen.version.replace("TLSv", "TLS ")
        page.gauge(
            "probe_tls_version_info",
            "The TLS version of the connection",
            [(labels(version=spoken), 1)],
        )
        page.gauge("probe_tls_cipher_info", "The TLS cipher of the connection", [(labels(cipher=seen.cipher), 1)])


def probe_name(now_ms: int) -> str:
    """An identifier for a probe that nothing records."""
    return f"asked-{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%S}-{now_ms % 1000:03d}"
