"""From a pydantic model's complaints to sentences: what is wrong, where it stands, and what to write instead."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from monitor.config.secrets import TreePath

Model = TypeVar("Model", bound=BaseModel)
Tell = Callable[[TreePath, str, bool], None]
"""Takes the path, the sentence, and whether the sentence is about the key and not about its value."""


def validate(model: type[Model], tree: object, path: TreePath, tell: Tell, *, context: object = None) -> Model | None:
    """Read ``tree`` as ``model``; every complaint is told with its path, and then the answer is None."""
    if not isinstance(tree, Mapping):
        tell(path, f"keys and values belong here: write {_example(model)}", False)
        return None
    try:
        return model.model_validate(tree, context=context)
    except ValidationError as error:
        said: set[tuple[TreePath, str]] = set()
        details = error.errors(include_url=False, include_input=False)
        for detail in details:
            if _beside_the_point(tree, detail, details):
                continue
            place, message, on_key = _sentence(model, tree, detail)
            if (place, message) not in said:
                said.add((place, message))
                tell((*path, *place), message, on_key)
        return None


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that a block may hold, as they stand in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def nearest(word: str, known: Iterable[str]) -> str:
    """What to write in place of an unknown ``word``: the nearest known one, or all of them if none is near."""
    if word == "<<":
        return "YAML 1.2 has no merge key: put the alias in place of a whole block, or write the keys out"
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"write one of {', '.join(names)}" if names else "take it away"


def _sentence(model: type[BaseModel], tree: object, detail: ErrorDetails) -> tuple[TreePath, str, bool]:
    """Place, sentence, and whether it is about the key."""
    place = _place(tree, detail["loc"], detail["type"])
    kind, context = detail["type"], detail.get("ctx") or {}
    if kind == "missing":
        name = str(detail["loc"][-1])
        return place[:-1] if place and place[-1] == name else place, f"'{name}' is missing: add {name}: ...", False
    if kind == "extra_forbidden":
        inner = _model_at(model, place[:-1], follow(tree, place[:-1]))
        return (
            place,
            f"'{place[-1]}' is not known here: {nearest(str(place[-1]), keys_of(inner) if inner else [])}",
            True,
        )
    value = follow(tree, place)
    shown = f"'{value}'" if isinstance(value, str | int) else "this"
    if value is None:
        return place, "nothing stands here: write a value, or take the key away", False
    return place, _of_kind(kind, shown, value, context, detail["msg"]), False


def _of_kind(kind: str, shown: str, value: object, ctx: Mapping[str, Any], said: str) -> str:
    if kind in ("value_error", "assertion_error"):
        return str(ctx.get("error", said))
    if kind in ("int_parsing", "int_type", "int_from_float"):
        return f"{shown} is not a whole number: write digits alone"
    if kind in ("float_parsing", "float_type", "decimal_parsing", "decimal_type", "finite_number"):
        return f"{shown} is not a number: write digits, with a point where needed"
    if kind in ("bool_parsing", "bool_type"):
        return f"{shown} is neither true nor false: write one of the two"
    if kind in ("literal_error", "enum"):
        wanted = [part.strip(" '") for part in str(ctx.get("expected", "")).replace(" or ", ", ").split(",")]
        return f"{shown} is not known here: {nearest(value if isinstance(value, str) else '', wanted)}"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        words = {"greater_than_equal": ("small", "at least", "ge"), "greater_than": ("small", "more than", "gt"),
                 "less_than_equal": ("large", "at most", "le"), "less_than": ("large", "less than", "lt")}  # fmt: skip
        small, least, key = words[kind]
        return f"{shown} is too {small}: write {least} {ctx[key]}"
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return f"{shown} stands where keys and values belong: write key: value below it"
    if kind in ("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type"):
        return f"{shown} stands where a list belongs: write [...], or one item a line with a dash"
    if kind == "string_type":
        what = "a list" if isinstance(value, list) else "a block of keys" if isinstance(value, Mapping) else shown
        if isinstance(value, Mapping) and len(value) == 1:  # {fil: key.txt}: meant as a secret
            (key,) = value
            near = difflib.get_close_matches(str(key), ("file", "credential"), n=1)
            if near and near[0] != key:
                return f"'{key}' is no place that a secret comes from: did you mean '{near[0]}'?"
        return f"{what} stands where a text belongs: write one value"
    if kind == "string_pattern_mismatch":
        pattern = str(ctx.get("pattern"))
        choice = re.fullmatch(r"\^\((\w+(?:\|\w+)*)\)\$", pattern)
        if choice:
            return f"{shown} is not known here: {nearest(str(value), choice[1].split('|'))}"
        return f"{shown} does not have the form wanted: {pattern}"
    if kind in ("string_too_short", "too_short"):
        return f"{shown} is too short: at least {ctx.get('min_length')} wanted"
    if kind in ("string_too_long", "too_long"):
        return f"{shown} is too long: at most {ctx.get('max_length')}"
    return f"{shown}: {said[:1].lower()}{said[1:]}"


_SCALAR = ("bool_type", "bool_parsing", "string_type", "int_type", "float_type", "decimal_type")


def _beside_the_point(tree: object, detail: ErrorDetails, others: Iterable[ErrorDetails]) -> bool:
    """Whether this is what another member of a union says, one that the value was plainly not written for."""
    place = _place(tree, detail["loc"], detail["type"])
    value = follow(tree, place)
    kind = detail["type"]
    if isinstance(value, Mapping | list):
        stranger = kind in _SCALAR
    else:
        stranger = kind in ("model_type", "dict_type", "tuple_type", "list_type")
    return stranger and any(
        other is not detail and _place(tree, other["loc"], other["type"])[: len(place)] == place for other in others
    )


def _place(tree: object, loc: tuple[int | str, ...], kind: str) -> TreePath:
    """The part of a complaint's path that exists in the file: names of union members and validators are left out."""
    place: list[int | str] = []
    node: Any = tree
    for index, part in enumerate(loc):
        if not isinstance(node, Mapping | list):
            continue
        if isinstance(node, list):
            if not isinstance(part, int) or part >= len(node):
                continue
            node = node[part]
        elif part in node:
            node = node[part]
        elif index == len(loc) - 1 and kind == "missing":
            pass  # a key that is missing: told of its parent
        else:
            continue  # the tag of a union, "[key]" of a mapping, the index of a single value read as a list
        place.append(part)
    return tuple(place)


def follow(tree: object, path: TreePath) -> object:
    """What stands at a path; None where nothing does."""
    for part in path:
        if isinstance(tree, Mapping):
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree


def _model_at(model: type[BaseModel], path: TreePath, node: object) -> type[BaseModel] | None:
    """The model of the block at ``path``, found by following the annotations."""
    here: Any = model
    for part in path:
        candidates = [kind for kind in alternatives(here) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if isinstance(part, int):
            here = inner_of(here)
            continue
        fields = [
            field.annotation
            for kind in candidates
            for name, field in kind.model_fields.items()
            if part in (name, field.alias)
        ]
        here = fields[0] if fields else inner_of(here)
        if here is None:
            return None
    models = [kind for kind in alternatives(here) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    if len(models) > 1 and isinstance(node, Mapping):  # of several the one that knows most of the keys
        models.sort(key=lambda kind: -len(set(keys_of(kind)) & set(node)))
    return models[0] if models else None


def alternatives(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without Annotated and Optional."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return alternatives(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in alternatives(part)]
    return [annotation]


def inner_of(annotation: Any) -> Any:
    """What a list or mapping holds."""
    for kind in alternatives(annotation):
        arguments = [part for part in get_args(kind) if part is not Ellipsis]
        if arguments:
            return arguments[-1]
    return None


def _example(model: type[BaseModel]) -> str:
    names = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    names = names or keys_of(model)[:2]
    return "{" + ", ".join(f"{name}: ..." for name in names) + "}"


Misnamed = Iterator[tuple[TreePath, str]]
"""Where a name stands that is not there, and what to write instead."""


def no_contract(names: Iterable[str], contracts: Iterable[str], path: TreePath) -> Misnamed:
    """Contracts that a list at ``path`` names and that are not there."""
    known = list(contracts)
    for index, name in enumerate(names):
        if name not in known:
            yield (*path, index), f"'{name}' is no contract here: {nearest(name, known)}"


def no_service(names: Iterable[str], contract: str, services: Iterable[str], path: TreePath) -> Misnamed:
    """Services that a list at ``path`` names and that the contract does not have."""
    known = list(services)
    for index, name in enumerate(names):
        if name not in known:
            yield (*path, index), f"'{name}' is no service of {contract}: {nearest(name, known)}"
