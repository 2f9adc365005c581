"""What the commands that enter events share: the options of a kind, and the commands list, correct, withdraw, import.

Every entry is an event of its own in the database; a running daemon sees it with its next look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands._options import config_option, echo_json, find_config, json_option
from monitor.commands._store import Here, opened
from monitor.errors import Refused
from monitor.times import iso, short

if TYPE_CHECKING:
    from monitor.judgement.events import Statement
    from monitor.store import Event

Command = Callable[..., Any]
_ORDER = ("id", "at", "start", "end", "opened", "announced", "kind", "reason", "severity", "milestone", "services")
"""In which order a line says what an event holds; the rest follows."""


class BadCall(Refused):
    """What was asked for cannot be entered."""

    exit_code = 2


class Instant(click.ParamType[str]):
    """A time as a person writes it: RFC 3339, a date, `now`, or how long ago: `-2h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As RFC 3339 in UTC."""
        from monitor.clock import SystemClock
        from monitor.durations import parse_duration
        from monitor.times import parse

        text = str(value).strip()
        try:
            if text == "now":
                return iso(SystemClock().now_ms())
            if text.startswith("-"):
                return iso(SystemClock().now_ms() - parse_duration(text[1:]))
            return iso(parse(text))
        except ValueError as error:
            self.fail(f"{error}; or now, or how long ago, like -2h", param, ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that is said of an event: an option of the command, and a column of a CSV file."""

    key: str
    help: str
    option: str = ""
    """The option's name where it is not the key's."""
    kind: str = "text"
    """``text``, ``instant`` or ``names``."""
    needed: bool = False
    default: str | None = None

    @property
    def flag(self) -> str:
        """The option's name."""
        return self.option or f"--{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A kind of event as it is entered."""

    kind: str
    title: str
    """What one of them is called: ``maintenance window``."""
    fields: tuple[Field, ...]
    kinds: tuple[str, ...] = ()
    """The kinds that `list` shows; none named: the kind alone."""

    @property
    def one(self) -> str:
        """One of them, with its article."""
        return f"{'an' if self.title[0] in 'aeiou' else 'a'} {self.title}"

    @property
    def shown(self) -> tuple[str, ...]:
        """The kinds that belong to it."""
        return self.kinds or (self.kind,)

    def options(self, *, correcting: bool = False) -> Callable[[Command], Command]:
        """A decorator with an option for each field; for a correction none is needed."""

        def add(function: Command) -> Command:
            for one in reversed(self.fields):
                kinds: dict[str, Any] = {"instant": Instant(), "names": str, "text": str}
                function = click.option(
                    one.flag,
                    one.key,
                    type=kinds[one.kind],
                    multiple=one.kind == "names",
                    required=one.needed and not correcting,
                    default=None if correcting or one.kind == "names" else one.default,
                    help=one.help,
                )(function)
            return function

        return add


@contextmanager
def entering(config_path: Path | None) -> Iterator[Here]:
    """The database to enter something into, made where there is none yet."""
    from monitor.clock import SystemClock
    from monitor.config.load import load
    from monitor.store import open_store

    config = load(find_config(config_path), secrets="optional")
    if "://" not in config.storage and not Path(config.storage).exists():
        with open_store(config.storage, config.location, SystemClock(), daemon=True):
            pass
    with opened(config_path) as here:
        yield here


def terms_of(here: Here) -> dict[str, Any]:
    """The contracts of the configuration."""
    return {name: entry.terms for name, entry in here.config.contracts.items()}


def checked_event(here: Here, kind: str, data: Mapping[str, Any], source: str = "cli") -> Event:
    """The event, seen to speak of what is there; notes go to standard error. Raises BadCall."""
    from monitor.judgement.events import BadEvent, make
    from monitor.judgement.stating import check

    try:
        found = check(terms_of(here), kind, data)
        event = make(kind, data, source=source)
    except BadEvent as error:
        raise BadCall(sentence(str(error))) from error
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    return event


def sentence(text: str) -> str:
    """A message as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def statements(here: Here, contract: str | None = None) -> list[tuple[str, Statement]]:
    """All that was stated, with its contract; of one contract where it is named. Raises BadCall."""
    from monitor.judgement.stating import wrong_name

    known = list(here.config.contracts)
    if contract is not None and contract not in known:
        raise BadCall(sentence(wrong_name("contract", contract, known)))
    names = known if contract is None else [contract]
    return [(name, one) for name in names for one in here.judge.stated(name).statements]


def statement_json(here: Here, contract: str, one: Statement) -> dict[str, Any]:
    """A statement with all its versions, as plain JSON."""
    from monitor.judgement.stating import effects
    from monitor.sla.evaluation import WHYS

    effect = effects(here.config.contracts[contract].terms.contract, one)
    return {
        "id": one.event.id,
        "contract": contract,
        "kind": one.event.kind,
        "at": iso(one.event.at),
        "entered_at": iso(one.event.entered_at),
        "source": one.event.source,
        "data": None if one.data is None else dict(one.data),
        "withdrawn": one.withdrawn,
        "remarks": remarks(one, effect),
        "effect": [
            {"service": service, "left_out": why == "excluded", "why": why, "text": WHYS[why]}
            for service, why in effect.items()
        ],
        "versions": [
            {
                "event": version.event_id,
                "entered_at": iso(version.entered_at),
                "source": version.source,
                "why": version.why,
                "data": None if version.data is None else dict(version.data),
            }
            for version in one.versions
        ],
    }


def remarks(one: Statement, effect: Mapping[str, str]) -> list[str]:
    """What the other side may ask about it."""
    from monitor.judgement.stating import late

    found = list(one.remarks)
    if late(effect):
        found.append("announced too late")
    return found


def tell_entered(event: Event, as_json: bool, said: str) -> None:
    """Say what was entered."""
    if as_json:
        echo_json({"id": event.id, "kind": event.kind, "at": iso(event.at), "entered_at": iso(event.entered_at),
                   "source": event.source, "corrects": event.corrects, "data": dict(event.data)})  # fmt: skip
    else:
        click.echo(f"{event.id}  {said}")


def said_of(data: Mapping[str, Any]) -> str:
    """An event's data on one line."""
    parts = [str(data["contract"])] if "contract" in data else []
    for key in sorted(data, key=lambda one: (_ORDER.index(one) if one in _ORDER else len(_ORDER), one)):
        value = data[key]
        if key in ("contract", "about") or value is None:
            continue
        text = " ".join(value) if isinstance(value, list | tuple) else str(value)
        if isinstance(value, Mapping):
            text = " ".join(f"{name}={one}" for name, one in value.items())
        parts.append(f"{key}={text.removesuffix('.000Z') + 'Z' if text.endswith('.000Z') else text}")
    return "  ".join(parts)


def add_common(group: click.Group, form: Form) -> None:
    """Give a group the commands list, correct, withdraw and import of a kind."""

    @group.command("list", help=f"List every {form.title}: withdrawn ones and each correction too.")
    @click.option("--contract", metavar="NAME", help="Only this contract's.")
    @config_option
    @json_option
    def list_(contract: str | None, config_path: Path | None, as_json: bool) -> None:
        with opened(config_path) as here:
            found = [(name, one) for name, one in statements(here, contract) if one.event.kind in form.shown]
            if as_json:
                echo_json([statement_json(here, name, one) for name, one in found])
                return
            for name, one in found:
                _show(here, name, one)
            if not found:
                click.echo(f"No {form.title} was entered.")

    @group.command(help=f"Correct {form.one}: a new event that replaces EVENT; the old one stays visible.")
    @click.argument("event", metavar="EVENT")
    @form.options(correcting=True)
    @click.option("--why", required=True, help="Why it is corrected; the other side reads it.")
    @config_option
    @json_option
    def correct(event: str, why: str, config_path: Path | None, as_json: bool, **values: Any) -> None:
        from monitor.judgement.events import BadEvent, correction
        from monitor.judgement.stating import check

        with entering(config_path) as here:
            _, old = find(here, event, form)
            changes = folded(given(form, values))
            if not changes:
                raise BadCall("Nothing is corrected: say what, for instance --note.")
            base = old.data if old.data is not None else old.versions[-2].data or {}
            _fit(changes, old.event.kind, base)
            data = {**base, **changes}
            try:
                check(terms_of(here), old.event.kind, data)
                new = correction(old.event, source="cli", why=why, data=data)
            except BadEvent as error:
                raise BadCall(sentence(str(error))) from error
            entered = here.store.writer.enter(new)
            tell_entered(entered, as_json, f"corrects {old.event.id}: {said_of(data)}")

    @group.command(help=f"Withdraw {form.one}: EVENT says nothing any more, and stays visible.")
    @click.argument("event", metavar="EVENT")
    @click.option("--why", required=True, help="Why it is withdrawn; the other side reads it.")
    @config_option
    @json_option
    def withdraw(event: str, why: str, config_path: Path | None, as_json: bool) -> None:
        from monitor.judgement.events import correction

        with entering(config_path) as here:
            _, old = find(here, event, form)
            if old.withdrawn:
                raise BadCall(f"{old.event.id} was withdrawn before.")
            entered = here.store.writer.enter(correction(old.event, source="cli", why=why))
            tell_entered(entered, as_json, f"withdraws {old.event.id}: {said_of(old.event.data)}")

    columns = ", ".join(one.key for one in form.fields)

    @group.command(
        "import",
        help=f"Enter every row of a CSV file as {form.one}. The first line names the columns: contract, {columns}; "
        "several services stand in one field with a blank between them. All rows are checked before any is entered; "
        "what was entered before is passed over.",
    )
    @click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
    @click.option("--contract", metavar="NAME", help="The contract of rows that name none.")
    @config_option
    @json_option
    def import_(file: Path, contract: str | None, config_path: Path | None, as_json: bool) -> None:
        from monitor.commands._stating_csv import take_csv

        take_csv(form, file, contract, config_path, as_json)


def find(here: Here, id: str, form: Form) -> tuple[str, Statement]:
    """A statement by the id of its event or of one of its corrections. Raises BadCall."""
    from monitor.judgement.stating import wrong_name

    known = [(name, one) for name, one in statements(here) if one.event.kind in form.shown]
    for name, one in known:
        if id in {version.event_id for version in one.versions}:
            return name, one
    kept = here.store.reader.event(id)
    if kept is not None:
        raise BadCall(f"{id} is no {form.title}: it is an event of the kind '{kept.kind}'.")
    raise BadCall(sentence(wrong_name(form.title, id, [one.event.id for _, one in known][-5:])))


def given(form: Form, values: Mapping[str, Any]) -> dict[str, Any]:
    """What was said on the command line."""
    found: dict[str, Any] = {}
    for one in form.fields:
        value = values.get(one.key)
        if value is None or value == ():
            continue
        found[one.key] = list(value) if one.kind == "names" else value
    return found


def enter_one(form: Form, contract: str, values: Mapping[str, Any], config_path: Path | None, as_json: bool) -> None:
    """The command `add` of a kind."""
    with entering(config_path) as here:
        event = checked_event(here, form.kind, {"contract": contract, **given(form, values)})
        entered = here.store.writer.enter(event)
        tell_entered(entered, as_json, said_of(entered.data))
        if not as_json:
            _tell_effect(here, contract, entered.id)


def folded(data: dict[str, Any]) -> dict[str, Any]:
    """Milestones of a ticket belong under one key."""
    reached = {key: data.pop(key) for key in ("acted", "responded", "resolved") if key in data}
    return {**data, "reached": reached} if reached else data


def _fit(changes: dict[str, Any], kind: str, base: Mapping[str, Any]) -> None:
    """Put the milestones of a correction where the event that is corrected has them."""
    reached = changes.pop("reached", None)
    if reached is None:
        return
    if kind == "ticket":
        changes["reached"] = {**(base.get("reached") or {}), **reached}
    elif set(reached) == {base.get("milestone")}:
        changes["at"] = reached[base["milestone"]]
    elif "milestone" in base:
        raise BadCall(f"It says when the ticket '{base['id']}' was {base['milestone']}: write --{base['milestone']}.")
    else:
        raise BadCall(f"It says when the ticket '{base['id']}' waited: withdraw it, and enter another.")


def _tell_effect(here: Here, contract: str, id: str) -> None:
    from monitor.judgement.stating import effect_text, effects

    for one in here.judge.stated(contract).statements:
        if one.event.id == id:
            effect = effects(here.config.contracts[contract].terms.contract, one)
            if effect:
                click.echo(f"  under {contract}: {effect_text(effect)}")
            for remark in one.remarks:
                click.echo(f"  {remark}")


def show_corrections(one: Statement, indent: str = "    ") -> None:
    """Write what became of a statement, a line for each correction."""
    for version in one.versions[1:]:
        what = "withdrawn" if version.data is None else f"corrected to {said_of(version.data)}"
        why = f": {version.why}" if version.why else ""
        click.echo(f"{indent}{short(version.entered_at)} {what}, by {version.source}{why}")


def _show(here: Here, contract: str, one: Statement) -> None:
    from monitor.judgement.stating import effect_text, effects

    effect = effects(here.config.contracts[contract].terms.contract, one)
    last = one.data if one.data is not None else one.event.data
    click.echo(f"{one.event.id}  {said_of(last)}")
    click.echo(f"    entered {short(one.event.entered_at)} by {one.event.source}")
    show_corrections(one)
    if effect:
        click.echo(f"    {effect_text(effect)}")
    # What the effect says of the announcement is not said again.
    for remark in remarks(one, {}):
        click.echo(f"    {remark}")
