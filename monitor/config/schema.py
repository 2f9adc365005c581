"""The JSON Schema of the configuration, for editors, from the same models that read it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from monitor.config.models import Root, TargetSettings
from monitor.config.settings import sections
from probes import kinds, load

Json = dict[str, Any]


def schema() -> Json:
    """The whole file's schema, Draft 2020-12. Secrets may stand for any text, and are allowed for."""
    definitions: Json = {"secret": _SECRET}
    top = _read(Root, "settings", definitions)
    properties: Json = dict(top["properties"])
    properties["contracts"] = {
        "type": "object",
        "description": "the contracts, by a name of your own",
        "additionalProperties": _CONTRACT,
    }
    target = _read(TargetSettings, "target", definitions)
    kind_properties = {}
    for kind in kinds():
        model = load(kind).Target
        read = _read(model, kind, definitions, lenient=True)
        kind_properties[kind] = {**read, "description": (model.__doc__ or "").strip().partition("\n\n")[0]}
    properties["targets"] = {
        "type": "array",
        "description": "what is watched; each has exactly one key that says how",
        "items": {
            **target,
            "properties": {**target["properties"], **kind_properties},
            "oneOf": [{"required": [kind]} for kind in kinds()],
        },
    }
    for section in sections():
        read = _read(section, section.KEY, definitions, lenient=True)
        properties[section.KEY] = {**read, "description": (section.__doc__ or "").strip().partition("\n\n")[0]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "slaproof configuration",
        "type": "object",
        "properties": properties,
        "patternProperties": {"^x-": {"description": "passed over: a place for YAML anchors"}},
        "additionalProperties": False,
        "$defs": definitions,
    }


_SECRET: Json = {
    "description": "a secret that stands elsewhere",
    "oneOf": [
        {"type": "object", "properties": {key: {"type": "string"}}, "required": [key], "additionalProperties": False}
        for key in ("file", "credential")
    ],
}

_CONTRACT: Json = {
    "type": "object",
    "properties": {
        "preset": {"type": "string", "description": "a contract that comes with slaproof"},
        "file": {"type": "string", "description": "a contract of your own, beside this file"},
        "fee": {
            "type": "object",
            "description": "what one period costs; without it credits are percentages",
            "properties": {"amount": {"type": ["string", "number"]}, "currency": {"type": "string"}},
            "required": ["amount", "currency"],
            "additionalProperties": False,
        },
        "billing_day": {"type": ["integer", "string"], "description": "1 to 31, for contracts by billing month"},
        "plan": {"type": "string", "description": "the plan that you have, where the contract has several"},
    },
    "oneOf": [{"required": ["preset"]}, {"required": ["file"]}],
    "additionalProperties": False,
}


def _read(model: type[BaseModel], prefix: str, definitions: Json, *, lenient: bool = False) -> Json:
    """One model's schema, its definitions moved to the common ones under a name of their own."""
    made = model.model_json_schema(mode="validation")
    own = made.pop("$defs", {})
    names = {name: f"{prefix}.{name}" for name in own}
    moved: Json = _renamed(made, names)
    for name, body in own.items():
        renamed = _renamed(body, names)
        definitions[names[name]] = _lenient(renamed) if lenient else renamed
    moved.pop("title", None)
    return _lenient(moved) if lenient else moved


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, dict):
        # A default that is not in the form in which the file has it would mislead.
        plain = "$ref" not in node and not (node.get("type") == "string" and not isinstance(node.get("default"), str))
        return {
            key: f"#/$defs/{names[value.rpartition('/')[2]]}"
            if key == "$ref" and isinstance(value, str)
            else _renamed(value, names)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str)) and (plain or key != "default")
        }
    return [_renamed(item, names) for item in node] if isinstance(node, list) else node


def _lenient(read: Json) -> Json:
    """The same, with a secret allowed wherever a text is, and one value wherever a list of values is."""

    def allow(node: Any) -> Any:
        if isinstance(node, list):
            return [allow(item) for item in node]
        if not isinstance(node, dict):
            return node
        kept = ("enum", "default", "examples", "required")
        changed = {key: value if key in kept else allow(value) for key, value in node.items()}
        if node.get("type") == "string":
            return {"anyOf": [changed, {"$ref": "#/$defs/secret"}]}
        items = node.get("items")
        if node.get("type") == "array" and isinstance(items, dict) and items.get("type") in ("string", "integer"):
            return {"anyOf": [changed, changed["items"]]}
        return changed

    if "enum" in read or "properties" not in read:
        return read
    return {**read, "properties": {name: allow(body) for name, body in read["properties"].items()}}
