"""The reference part of docs/configuration.md, from the same models that read the file."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from monitor.config.models import Root, TargetSettings
from monitor.config.settings import sections
from monitor.config.validation import alternatives, inner_of
from monitor.durations import write_duration
from probes import kinds, load

_COMMON = {
    "url": "the address to ask",
    "host": "the server's name or address",
    "port": "the server's port",
    "tls": "how the connection is secured",
    "ca": "a file of certificates to trust in place of the system's",
    "verify": "false: take any certificate",
    "server_name": "the name that the certificate must bear; the host's",
    "client_cert": "a file with our own certificate, for servers that ask for one",
    "client_key": "a file with its key",
    "username": "the account",
    "password": "its password; best from elsewhere: `${NAME}`, `{file: ...}`, `{credential: ...}`",
    "token": "a bearer token, in place of username and password",
    "mailbox": "the folder to look into",
    "from": "the sender's address",
    "to": "the recipient's address",
    "key": "a file with the private key",
    "name": "the name to ask for",
    "type": "the type of record",
    "transport": "udp or tcp",
    "values": "what must be found",
    "status": "the status codes that are good",
}
"""What keys mean wherever they stand, for those whose model does not say."""


def reference() -> str:
    """Every key of the configuration in Markdown tables."""
    parts = ["## At the top of the file\n", *_model(Root, "", set())]
    parts += ["## Each entry of `targets`\n", *_model(TargetSettings, "", set())]
    parts.append("Besides, exactly one key that says how it is probed:\n\n")
    for kind in kinds():
        model = load(kind).Target
        parts.append(f"### `{kind}`\n")
        parts += [f"{_first(load(kind).__doc__)}\n\n", *_model(model, f"{kind}.", set())]
    for section in sections():
        parts.append(f"## `{section.KEY}`\n")
        parts += [f"{_first(section.__doc__)}\n\n", *_model(section, f"{section.KEY}.", set())]
    return "".join(parts)


def _first(text: str | None) -> str:
    """The first paragraph, on one line."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def _model(model: type[BaseModel], prefix: str, seen: set[type[BaseModel]]) -> Iterator[str]:
    """A table of a model's keys, those of inner blocks with their path."""
    yield "\n| key | default | meaning |\n| --- | --- | --- |\n"
    yield from _rows(model, prefix, seen | {model})
    yield "\n"


def _rows(model: type[BaseModel], prefix: str, seen: set[type[BaseModel]]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner, many = _inner(field)
        meaning = field.description or (_first(inner.__doc__) if inner else "") or _COMMON.get(field.alias or name, "")
        yield _row(key, _default(field), meaning)
        if inner is not None and inner not in seen:
            yield from _rows(inner, f"{key}{many}.", seen | {inner})


def _row(key: str, default: str, meaning: str) -> str:
    escaped = meaning.replace("|", "\\|")
    return f"| `{key}` | {default} | {escaped} |\n"


def _inner(field: FieldInfo) -> tuple[type[BaseModel] | None, str]:
    """The block that a key holds, if it holds one, and what stands for its entries if it holds several."""
    return _block(field.annotation, "")


def _block(annotation: Any, many: str) -> tuple[type[BaseModel] | None, str]:
    for kind in alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind, many
    for kind in alternatives(annotation):
        origin = getattr(kind, "__origin__", None)
        if origin is None:
            continue
        of = inner_of(kind)
        if of is not None:
            found = _block(of, many + ("[]" if origin in (tuple, list) else ".NAME"))
            if found[0] is not None:
                return found
    return None, many


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value == () or value == {}:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and _is_duration(field):
        return f"`{write_duration(value)}`"
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int) and isinstance(value[0], str):
        return f"`{value[0]}:{value[1]}`"
    if isinstance(value, frozenset | set):
        value = sorted(value)
    if isinstance(value, tuple | list):
        return f"`[{', '.join(str(item) for item in value)}]`"
    return f"`{str(value).encode('unicode_escape').decode()}`"


def _is_duration(field: FieldInfo) -> bool:
    """Whether a number is written with a unit of time: whatever reads it accepts ``1s``."""
    try:
        kind: Any = Annotated[(field.annotation, *field.metadata)]
        return bool(TypeAdapter(kind).validate_python("100d") == 100 * 86_400_000)
    except (ValidationError, ValueError):
        return False
