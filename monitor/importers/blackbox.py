"""Modules of blackbox_exporter as settings of our own kinds of probe.

Rules:
1. A module becomes a probe that asks the same and fails where the module would; what it cannot do is named.
2. What would make the probe ask something else is refused: no target is made of it. A way of going there or a further
   assertion that has no counterpart is left out and said.
3. Keys that we do not know are named too: a typing error must not vanish in an import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitor.errors import Refused
from monitor.importers.regexps import all_of, any_of, python_regex

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_SIZES = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_MOST_BODY = 16 << 20
Module = Mapping[str, Any]


class Unlike(ValueError):
    """The module asks for something that decides the verdict and that no kind of ours can do."""


@dataclass(slots=True)
class Translated:
    """A probe of ours that asks what the module asks. ``settings`` are as in our configuration, before validation."""

    kind: str
    settings: dict[str, Any]
    timeout_ms: int | None = None
    left_out: list[str] = field(default_factory=list)
    """What has no counterpart and was left out, each a sentence."""


def read_modules(path: Path) -> dict[str, Module]:
    """The modules of a blackbox.yml. Raises Refused where the file cannot be read as one."""
    data = read_yaml(path)
    modules = data.get("modules") if isinstance(data, dict) else None
    if not isinstance(modules, dict):
        raise Refused(f"{path} has no modules: it is no configuration of blackbox_exporter.")
    return {str(name): dict(module or {}) for name, module in modules.items() if isinstance(module, dict | None)}


def read_yaml(path: Path) -> Any:
    """A YAML file as plain values, as Go programs read it. Raises Refused."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(path.read_text())
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not YAML: {' '.join(str(error).split())[:300]}.") from None


def duration_ms(text: object) -> int:
    """Milliseconds of a duration as Prometheus writes it (``1h30m``); raises ValueError."""
    pieces = re.findall(r"(\d+)(ms|[smhdwy])", str(text))
    if not pieces or "".join(number + unit for number, unit in pieces) != str(text).strip():
        raise ValueError(f"{text!r} is no duration")
    return sum(int(number) * _UNITS[unit] for number, unit in pieces)


def translate(module: Module, target: str) -> Translated:
    """The probe of ours for this module and target. Raises Unlike, naming what has no counterpart."""
    prober = str(module.get("prober", ""))
    if prober not in _PROBERS:
        raise Unlike(f"the prober {prober!r} has no counterpart" if prober else "it names no prober")
    made = Translated(kind=prober, settings={})
    if module.get("timeout") is not None:
        made.timeout_ms = duration_ms(module["timeout"])
    keys = _Keys(module, made, "")
    keys.known("prober", "timeout", *_PROBERS)
    settings = _Keys(module.get(prober) or {}, made, f"{prober}.")
    if "preferred_ip_protocol" in settings or "ip_protocol_fallback" in settings:
        _family(settings, made)
    _PROBERS[prober](settings, made, target)
    settings.rest()
    keys.rest()
    return made


class _Keys:
    """A block of a module, and which of its keys were looked at."""

    def __init__(self, block: Any, made: Translated, prefix: str) -> None:
        if not isinstance(block, Mapping):
            raise Unlike(f"{prefix.rstrip('.')} is no block of settings")
        self._block = block
        self._made = made
        self._prefix = prefix
        self._seen: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._block

    def get(self, key: str, default: Any = None) -> Any:
        """A key's value; it counts as looked at."""
        self._seen.add(key)
        value = self._block.get(key)
        return default if value is None else value

    def known(self, *keys: str) -> None:
        """These need nothing done."""
        self._seen.update(keys)

    def block(self, key: str) -> _Keys:
        """A block within."""
        return _Keys(self.get(key, {}), self._made, f"{self._prefix}{key}.")

    def rest(self) -> None:
        """Whatever was not looked at has no counterpart."""
        for key, value in self._block.items():
            if key not in self._seen and value not in (None, "", [], {}, False):
                self._made.left_out.append(f"{self._prefix}{key} has no counterpart and is left out")


def _family(keys: _Keys, made: Translated) -> None:
    preferred = str(keys.get("preferred_ip_protocol", "ip6"))
    if keys.get("ip_protocol_fallback", True) is False:
        made.settings["ip"] = {"ip4": "4", "ip6": "6"}.get(preferred, "any")


def _file(name: object) -> dict[str, str]:
    return {"file": str(name)}


def _tls(keys: _Keys) -> dict[str, Any]:
    block = keys.block("tls_config")
    settings: dict[str, Any] = {}
    for theirs, ours in (
        ("ca_file", "ca"), ("cert_file", "client_cert"), ("key_file", "client_key"), ("server_name", "server_name"),
    ):  # fmt: skip
        if value := block.get(theirs):
            settings[ours] = str(value)
    if block.get("insecure_skip_verify") is True:
        settings["verify"] = False
    block.rest()
    return settings


def _http(keys: _Keys, made: Translated, target: str) -> None:
    url = target if "://" in target else f"http://{target}"
    settings = made.settings
    settings["url"] = url
    secure = urlsplit(url).scheme == "https"
    if keys.get("fail_if_ssl") and secure:
        raise Unlike("http.fail_if_ssl contradicts an https address")
    if keys.get("fail_if_not_ssl") and not secure:
        raise Unlike("http.fail_if_not_ssl contradicts an http address")
    for key in ("fail_if_body_json_matches_cel", "fail_if_body_json_not_matches_cel", "oauth2", "enable_http3"):
        if keys.get(key):
            raise Unlike(f"http.{key} has no counterpart" + ("; see expect: json" if "cel" in key else ""))
    if (versions := keys.get("valid_http_versions")) and not {"HTTP/1.1", "HTTP/1.0"} & {str(v) for v in versions}:
        raise Unlike(f"http.valid_http_versions wants {', '.join(map(str, versions))}; slaproof speaks HTTP/1.1")
    if str(keys.get("compression", "")) not in ("", "gzip", "deflate", "identity"):
        raise Unlike(f"http.compression {keys.get('compression')} has no counterpart; gzip and deflate are unpacked")
    keys.known("skip_resolve_phase_with_proxy", "enable_http2")
    settings["method"] = str(keys.get("method", "GET")).upper()
    settings["follow_redirects"] = keys.get("follow_redirects", True) is not False
    _headers(keys, made)
    _credentials(keys, settings)
    if (body := keys.get("body")) is not None:
        settings["body"] = str(body)
    elif name := keys.get("body_file"):
        settings["body"] = _file(name)
    if tls := _tls(keys):
        settings["tls"] = tls
    _proxy(keys, made)
    if limit := keys.get("body_size_limit"):
        settings["max_body"] = min(_size(limit), _MOST_BODY)
    if expect := _expectations(keys, made):
        settings["expect"] = expect


def _size(text: object) -> int:
    match = re.fullmatch(r"(\d+)\s*([KMG]?I?B?)", str(text).upper())
    if match is None or match[2] not in _SIZES:
        raise Unlike(f"http.body_size_limit {text!r} is no size")
    return int(match[1]) * _SIZES[match[2]]


def _headers(keys: _Keys, made: Translated) -> None:
    headers: dict[str, Any] = {str(name): str(value) for name, value in keys.get("headers", {}).items()}
    for name, source in keys.get("http_headers", {}).items():
        for kind in ("values", "secrets", "files"):
            # Where several are given, the last one is sent.
            for value in (source or {}).get(kind) or ():
                headers[str(name)] = _file(value) if kind == "files" else str(value)
    if headers:
        made.settings["headers"] = headers


def _credentials(keys: _Keys, settings: dict[str, Any]) -> None:
    basic = keys.get("basic_auth", {})
    if basic:
        settings["auth"] = {
            name: _file(basic[f"{name}_file"]) if basic.get(f"{name}_file") else str(basic.get(name) or "")
            for name in ("username", "password")
        }
    token = keys.get("authorization", {}) or {}
    for name in ("bearer_token", "bearer_token_file"):
        if value := keys.get(name):
            token = {"credentials" if name == "bearer_token" else "credentials_file": value}
    if token:
        kind = str(token.get("type") or "Bearer")
        if kind.lower() == "bearer":
            secret = token.get("credentials")
            settings["auth"] = {"token": str(secret) if secret is not None else _file(token.get("credentials_file"))}
        elif token.get("credentials") is not None:
            settings.setdefault("headers", {})["Authorization"] = f"{kind} {token['credentials']}"
        else:
            raise Unlike(f"http.authorization of type {kind} from a file has no counterpart")


def _proxy(keys: _Keys, made: Translated) -> None:
    proxy = keys.get("proxy_url")
    if not proxy:
        return
    if keys.get("proxy_connect_header"):
        raise Unlike("http.proxy_connect_header has no counterpart; a user and password may stand in the proxy's URL")
    if urlsplit(str(proxy)).scheme != "http":
        raise Unlike(f"http.proxy_url of the scheme {urlsplit(str(proxy)).scheme!r} has no counterpart")
    made.settings["proxy"] = str(proxy)


def _expressions(keys: _Keys, key: str) -> list[str]:
    try:
        return [python_regex(str(one)) for one in keys.get(key, [])]
    except ValueError as error:
        raise Unlike(f"{key}: {error}") from None


def _expectations(keys: _Keys, made: Translated) -> dict[str, Any]:
    expect: dict[str, Any] = {}
    if statuses := keys.get("valid_status_codes"):
        expect["status"] = [str(status) for status in statuses]
    if wanted := _expressions(keys, "fail_if_body_not_matches_regexp"):
        expect["body"] = all_of(wanted)
    if unwanted := _expressions(keys, "fail_if_body_matches_regexp"):
        expect["body_not"] = any_of(unwanted)
    headers: dict[str, str] = {}
    headers_not: dict[str, str] = {}
    for spec in keys.get("fail_if_header_not_matches", []):
        name = str(spec.get("header"))
        if spec.get("allow_missing"):
            made.left_out.append(f"http.fail_if_header_not_matches of {name}: allow_missing has no counterpart")
            continue
        headers[name] = _header_regex(spec)
    for spec in keys.get("fail_if_header_matches", []):
        name = str(spec.get("header"))
        headers_not[name] = _header_regex(spec)
        if not spec.get("allow_missing"):
            headers.setdefault(name, "")
    if headers:
        expect["headers"] = headers
    if headers_not:
        expect["headers_not"] = headers_not
    return expect


def _header_regex(spec: Mapping[str, Any]) -> str:
    try:
        return python_regex(str(spec.get("regexp", "")))
    except ValueError as error:
        raise Unlike(str(error)) from None


def _tcp(keys: _Keys, made: Translated, target: str) -> None:
    made.settings |= _host_port(target, None)
    tls = _tls(keys)
    if keys.get("tls"):
        made.settings["tls"] = tls or True
    turns: list[dict[str, Any]] = []
    for turn in keys.get("query_response", []):
        if turn.get("expect_bytes") is not None or isinstance(turn.get("send"), bytes):
            raise Unlike("tcp.query_response with bytes has no counterpart: slaproof talks in lines of text")
        if turn.get("labels"):
            made.left_out.append("tcp.query_response: labels have no counterpart and are left out")
        made_turn: dict[str, Any] = {}
        if turn.get("expect"):
            try:
                made_turn["expect"] = python_regex(str(turn["expect"]))
            except ValueError as error:
                raise Unlike(f"tcp.query_response: {error}") from None
        if turn.get("send") is not None:
            made_turn["send"] = str(turn["send"])
        if turn.get("starttls"):
            made_turn["starttls"] = True
            if tls:
                made.settings["starttls"] = tls
        turns.append(made_turn)
    if turns:
        # The exporter ends every line with a line feed; who wants CRLF writes the carriage return.
        made.settings |= {"dialogue": turns, "line_end": "\n"}


def _host_port(target: str, port: int | None) -> dict[str, Any]:
    host, colon, text = target.rpartition(":")
    if colon and text.isdigit() and (host.startswith("[") or ":" not in host):
        return {"host": host.strip("[]"), "port": text}
    if port is None:
        raise Unlike(f"the target {target!r} names no port")
    return {"host": target.strip("[]"), "port": str(port)}


def _dns(keys: _Keys, made: Translated, target: str) -> None:
    where = _host_port(target, 53)
    host = f"[{where['host']}]" if ":" in where["host"] else where["host"]
    settings = made.settings
    settings |= {"name": str(keys.get("query_name", "")), "server": f"{host}:{where['port']}"}
    settings["type"] = str(keys.get("query_type", "ANY"))
    settings["transport"] = str(keys.get("transport_protocol", "udp"))
    if str(keys.get("query_class", "IN")) != "IN":
        raise Unlike(f"dns.query_class {keys.get('query_class')} has no counterpart")
    if keys.get("dns_over_tls"):
        raise Unlike("dns.dns_over_tls has no counterpart")
    rcodes = [str(code) for code in keys.get("valid_rcodes", ["NOERROR"])]
    if rcodes not in (["NOERROR"], ["NXDOMAIN"]):
        raise Unlike(f"dns.valid_rcodes {', '.join(rcodes)} has no counterpart; NOERROR or NXDOMAIN alone has")
    settings["rcode"] = rcodes[0]
    if keys.get("recursion_desired", True) is False:
        settings["authoritative"] = True


def _icmp(keys: _Keys, made: Translated, target: str) -> None:
    made.settings["host"] = target.strip("[]")
    if size := keys.get("payload_size"):
        made.settings["size"] = str(max(16, int(size)))


def _grpc(keys: _Keys, made: Translated, target: str) -> None:
    settings = made.settings
    settings |= _host_port(target, None)
    if service := keys.get("service"):
        settings["service"] = str(service)
    tls = _tls(keys)
    if keys.get("tls"):
        settings["tls"] = tls or True
    metadata = {}
    for name, values in keys.get("metadata", {}).items():
        given = values if isinstance(values, list) else [values]
        if len(given) > 1:
            made.left_out.append(f"grpc.metadata.{name}: only the first of its values is sent")
        metadata[str(name)] = str(given[0])
    if metadata:
        settings["metadata"] = metadata


_PROBERS = {"http": _http, "tcp": _tcp, "dns": _dns, "icmp": _icmp, "grpc": _grpc}
