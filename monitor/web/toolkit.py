"""``web.config.file`` of the Prometheus exporter toolkit: TLS with client certificates, basic auth, headers.

The file is the one that Prometheus' own exporters read, so that one file serves them all. What it may say and we
cannot do is refused with its place, never passed over. Relative paths stand beside the file.
"""

from __future__ import annotations

import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.config.yamlfile import Document, Problem, Problems, load
from probes._pem import no_passphrase

KEYS = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
TLS_KEYS = (
    "cert_file", "key_file", "cert", "key", "client_auth_type", "client_ca_file", "client_ca", "client_allowed_sans",
    "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites", "curve_preferences",
)  # fmt: skip
AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
UNVERIFIED = ("RequestClientCert", "RequireClientCert", "RequireAnyClientCert")
VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1, "TLS11": ssl.TLSVersion.TLSv1_1, "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip
HEADERS = (
    "Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "X-XSS-Protection",
    "Strict-Transport-Security",
)  # fmt: skip
_BCRYPT = re.compile(r"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit:
    """What the file asks for."""

    tls: ssl.SSLContext | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    """Names to bcrypt hashes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    sans: tuple[str, ...] = ()
    """The names of which a client's certificate must bear one; any where there are none."""
    files: tuple[Path, ...] = ()
    """All that was read: the file itself, certificates and keys."""


def read(path: Path) -> Toolkit:
    """What the file asks for. Raises Problems with everything that is wrong."""
    document = load(path)
    data = document.data if document.data is not None else {}
    problems: list[Problem] = []
    if not isinstance(data, dict):
        raise Problems([document.problem((), "keys and values belong here, such as tls_server_config")])
    _known(document, data, (), KEYS, problems)
    if "rate_limit" in data:
        problems.append(document.problem(("rate_limit",), "set requests_per_second in the configuration's web block"))
    tls = data.get("tls_server_config")
    context = sans = None
    if tls is not None:
        if isinstance(tls, dict):
            _known(document, tls, ("tls_server_config",), TLS_KEYS, problems)
            context = _context(document, tls, path.parent, problems)
            sans = tls.get("client_allowed_sans")
        else:
            problems.append(document.problem(("tls_server_config",), "keys and values belong here"))
    users = _users(document, data.get("basic_auth_users"), problems)
    headers = _headers(document, data.get("http_server_config"), problems)
    if problems:
        raise Problems(sorted(problems))
    return Toolkit(
        tls=context,
        users=users,
        headers=headers,
        sans=tuple(str(name) for name in sans) if isinstance(sans, list) else (),
        files=files_of(path, tls if isinstance(tls, dict) else {}),
    )


def files_of(path: Path, tls: Mapping[str, Any]) -> tuple[Path, ...]:
    """The file and those that it names."""
    names = ("cert_file", "key_file", "client_ca_file")
    return (path, *(path.parent / str(tls[name]) for name in names if name in tls))


def _known(
    document: Document, data: dict[str, Any], at: tuple[str, ...], keys: tuple[str, ...], problems: list[Problem]
) -> None:
    hint = f"write {', '.join(keys)}"
    problems += [
        document.problem((*at, key), f"'{key}' is not known here: {hint}", key=True) for key in data if key not in keys
    ]


def _users(document: Document, data: Any, problems: list[Problem]) -> dict[str, str]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        problems.append(document.problem(("basic_auth_users",), "write each user's name and the bcrypt hash"))
        return {}
    for name, stored in data.items():
        if not isinstance(stored, str) or not _BCRYPT.fullmatch(stored):
            problems.append(
                document.problem(("basic_auth_users", name), "this is no bcrypt hash; htpasswd -nBC 10 '' makes one")
            )
        if ":" in name:
            problems.append(document.problem(("basic_auth_users", name), "a user's name has no colon", key=True))
    return dict(data)


def _headers(document: Document, data: Any, problems: list[Problem]) -> dict[str, str]:
    at = ("http_server_config",)
    if data is None:
        return {}
    if not isinstance(data, dict):
        problems.append(document.problem(at, "keys and values belong here"))
        return {}
    _known(document, data, at, ("http2", "headers"), problems)
    headers = data.get("headers")
    if headers is None:
        return {}
    if not isinstance(headers, dict):
        problems.append(document.problem((*at, "headers"), "keys and values belong here"))
        return {}
    _known(document, headers, (*at, "headers"), HEADERS, problems)
    return {str(name): str(value) for name, value in headers.items()}


def _context(document: Document, tls: dict[str, Any], folder: Path, problems: list[Problem]) -> ssl.SSLContext | None:
    at = ("tls_server_config",)
    before = len(problems)

    def tell(key: str, message: str) -> None:
        problems.append(document.problem((*at, key) if key in tls else at, message))

    for one, other in (("cert_file", "cert"), ("key_file", "key")):
        if (one in tls) == (other in tls):
            tell(one, f"write either {one} or {other}")
    for name in ("cert_file", "key_file", "client_ca_file"):
        if name in tls and not (folder / str(tls[name])).is_file():
            tell(name, f"there is no file {folder / str(tls[name])}")
    auth = str(tls.get("client_auth_type", "NoClientCert"))
    if auth in UNVERIFIED:
        tell("client_auth_type", "a certificate that is not verified proves nothing: write VerifyClientCertIfGiven")
    elif auth not in AUTH:
        tell("client_auth_type", f"'{auth}' is not known: write one of {', '.join(AUTH)}")
    authority = "client_ca_file" in tls or "client_ca" in tls
    if auth in AUTH and AUTH[auth] is not ssl.CERT_NONE and not authority:
        tell("client_auth_type", "client_ca_file is missing: whose certificates are good?")
    if "client_allowed_sans" in tls and not isinstance(tls["client_allowed_sans"], list):
        tell("client_allowed_sans", "a list belongs here")
    for key in ("min_version", "max_version"):
        if key in tls and tls[key] not in VERSIONS:
            tell(key, f"'{tls[key]}' is not known: write one of {', '.join(VERSIONS)}")
    if "curve_preferences" in tls:
        tell("curve_preferences", "curves cannot be chosen here: take the line away")
    if len(problems) > before:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[str(tls.get("min_version", "TLS12"))]
    if "max_version" in tls:
        context.maximum_version = VERSIONS[str(tls["max_version"])]
    context.verify_mode = AUTH[auth]
    suites = tls.get("cipher_suites")
    try:
        if suites:
            context.set_ciphers(":".join(_cipher(str(name)) for name in suites if "_WITH_" in str(name)))
        _load(context, tls, folder)
    except (ssl.SSLError, OSError, ValueError) as error:
        problems.append(document.problem(at, f"this TLS configuration cannot be used: {error}"))
        return None
    return context


def _load(context: ssl.SSLContext, tls: dict[str, Any], folder: Path) -> None:
    """Load certificate, key and authority. Python reads a key from a file alone: one written in the file stands for a
    moment in a file that nobody else may read."""
    with tempfile.TemporaryDirectory() as private:
        paths = []
        for name in ("cert", "key"):
            if f"{name}_file" in tls:
                paths.append(folder / str(tls[f"{name}_file"]))
            else:
                paths.append(Path(private, name))
                paths[-1].touch(mode=0o600)
                paths[-1].write_text(str(tls[name]), encoding="utf-8")
        context.load_cert_chain(paths[0], paths[1], no_passphrase)
    if "client_ca_file" in tls:
        context.load_verify_locations(cafile=folder / str(tls["client_ca_file"]))
    elif "client_ca" in tls:
        context.load_verify_locations(cadata=str(tls["client_ca"]))


def _cipher(name: str) -> str:
    """A suite's name as OpenSSL has it: ``TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`` is ECDHE-RSA-AES128-GCM-SHA256."""
    found = re.fullmatch(r"TLS_(\w+)_WITH_(\w+?)(?:_(SHA\d*))?", name)
    if found is None:
        raise ValueError(f"'{name}' is not a cipher suite")
    exchange, cipher, digest = found.groups()
    if cipher == "CHACHA20_POLY1305":
        return f"{exchange.replace('_', '-')}-CHACHA20-POLY1305"
    cipher = cipher.replace("AES_128", "AES128").replace("AES_256", "AES256").replace("_CBC", "").replace("_", "-")
    parts = [] if exchange == "RSA" else [exchange.replace("_", "-")]
    return "-".join([*parts, cipher, *([digest] if digest else [])])
