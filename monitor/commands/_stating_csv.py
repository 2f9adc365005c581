"""Events from a CSV file: all rows are checked before any is entered, and what was entered before is passed over.

A ticket that stands in the file again with more in it (it was answered since) corrects what was entered of it.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.commands._options import echo_json
from monitor.commands._stating import BadCall, Form, entering, folded, said_of, statements, terms_of

if TYPE_CHECKING:
    from monitor.judgement.events import Statement
    from monitor.store import Event


def take_csv(form: Form, file: Path, contract: str | None, config_path: Path | None, as_json: bool) -> None:
    """The command `import` of a kind."""
    from monitor.judgement.events import BadEvent
    from monitor.judgement.stating import check

    with entering(config_path) as here:
        known = [one for _, one in statements(here) if one.event.kind == form.kind]
        events: list[Event] = []
        problems: list[str] = []
        before = 0
        for line, data in _rows(form, file, contract):
            try:
                check(terms_of(here), form.kind, data)
                event = _event(form.kind, data, f"csv:{file.name}", known, events)
            except (BadEvent, ValueError) as error:
                problems.append(f"{file}:{line}: {error}")
                continue
            if event is None:
                before += 1
            else:
                events.append(event)
        if problems:
            raise BadCall(
                "\n".join(
                    [*problems, f"Nothing was entered: put {'this' if len(problems) == 1 else 'these'} right first."]
                )
            )
        entered = [here.store.writer.enter(event) for event in events]
    if as_json:
        echo_json({"entered": [one.id for one in entered], "known_before": before})
        return
    for one in entered:
        corrects = "" if one.corrects is None else f"corrects {one.corrects}: "
        click.echo(f"{one.id}  {corrects}{said_of(one.data.get('replace', one.data))}")
    click.echo(f"{len(entered)} entered, {before} known before.")


def _event(
    kind: str, data: dict[str, Any], source: str, known: Sequence[Statement], others: Sequence[Event]
) -> Event | None:
    """What a row enters; None where it says nothing new. Raises BadEvent."""
    from monitor.judgement.events import BadEvent, correction, make
    from monitor.judgement.stating import same

    event = make(kind, data, source=source)
    if any(same(version.data, event.data) for one in known for version in one.versions):
        return None
    if any(same(other.data, event.data) for other in others):
        return None
    if kind != "ticket":
        return event
    keys = ("contract", "id")
    if any(same(other.data.get("replace", other.data), event.data, keys) for other in others):
        raise BadEvent(f"the ticket '{data['id']}' stands in the file twice")
    for one in known:
        if one.data is not None and same(one.data, event.data, keys):
            reached = {**(one.data.get("reached") or {}), **(event.data.get("reached") or {})}
            merged = {**one.data, **event.data, "reached": reached or None}
            new = correction(one.event, source=source, why=f"as {source.partition(':')[2]} has it", data=merged)
            return None if same(new.data["replace"], one.data) else new
    return event


def _rows(form: Form, file: Path, contract: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    from monitor.judgement.stating import wrong_name
    from monitor.times import iso, parse

    columns = {"contract": "text", **{one.key: one.kind for one in form.fields}}
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        for name in reader.fieldnames or ():
            if name not in columns:
                raise BadCall(f"{file}:1: {wrong_name('column', name, list(columns))}")
        for row in reader:
            data: dict[str, Any] = {"contract": contract} if contract is not None else {}
            for name, text in row.items():
                if name is None or text is None or not str(text).strip():
                    continue
                value: Any = text.strip()
                if columns[name] == "instant":
                    with contextlib.suppress(ValueError):  # then the reading says what is wrong
                        value = iso(parse(value))
                elif columns[name] == "names":
                    value = value.replace(",", " ").replace(";", " ").split()
                data[name] = value
            yield reader.line_num, folded(data)
