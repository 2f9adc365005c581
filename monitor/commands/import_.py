"""``slaproof import``: what other monitors know. The files themselves say whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import click

from monitor.commands._options import echo_json, json_option
from monitor.commands._results import csv_, gatus, kuma, prometheus
from monitor.errors import Refused


class _ByFile(click.Group):
    """A group for which files that are no name of a command are configurations to be taken over."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, and the command `targets` for anything else."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return "targets", self.commands["targets"], args
        return super().resolve_command(ctx, args)


@click.group("import", cls=_ByFile)
def import_() -> None:
    """Take over what other monitors know: their targets, or what they measured.

    “slaproof import blackbox.yml [prometheus.yml]” prints targets for the configuration. The commands below write
    measurements as a results file, which “slaproof evaluate” judges: what was not measured is a gap in it.
    """


for _command in (prometheus, kuma, gatus, csv_):
    import_.add_command(_command)


@import_.command("targets")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
def targets(files: tuple[Path, ...], as_json: bool) -> None:
    """Take over targets from FILES: a blackbox.yml, and the prometheus.yml that uses it.

    The targets are printed as they stand in a configuration of slaproof. What has no counterpart is named on standard
    error. Without a prometheus.yml each module becomes a target with an address to fill in.
    """
    modules, scrapes = _sorted(files)
    if modules is None:
        raise Refused("No file among these has the modules of a blackbox_exporter.")
    found, notes = converted(modules, scrapes)
    if as_json:
        echo_json({"targets": found, "notes": notes})
        return
    click.echo(_yaml({"targets": found}), nl=False)
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _sorted(files: Iterable[Path]) -> tuple[Path | None, list[Path]]:
    """The file with the modules, and those with scrape_configs."""
    from monitor.importers.blackbox import read_yaml

    modules: Path | None = None
    scrapes: list[Path] = []
    for path in files:
        data = read_yaml(path)
        if isinstance(data, dict) and "modules" in data and modules is None:
            modules = path
        elif isinstance(data, dict) and "scrape_configs" in data:
            scrapes.append(path)
        else:
            raise Refused(f"{path} is neither blackbox_exporter's configuration nor Prometheus'.")
    return modules, scrapes


def converted(modules_file: Path, scrape_files: Iterable[Path]) -> tuple[list[dict[str, Any]], list[str]]:
    """The targets as our configuration has them, and what has no counterpart, each a sentence."""
    from monitor.importers.blackbox import Unlike, read_modules, translate
    from monitor.importers.scrape import Scraped, read_scrapes

    modules = read_modules(modules_file)
    notes: list[str] = []
    wanted: list[Scraped] = []
    for path in scrape_files:
        found, missing = read_scrapes(path)
        wanted += found
        notes += missing
    if not list(scrape_files):
        wanted = [_example(name, str(module.get("prober", ""))) for name, module in modules.items()]
    targets: list[dict[str, Any]] = []
    names: set[str] = set()
    for one in wanted:
        if one.module not in modules:
            notes.append(f"{one.target}: {modules_file} has no module {one.module}")
            continue
        try:
            made = translate(modules[one.module], one.target)
        except (Unlike, ValueError) as error:
            notes.append(f"{one.target} (module {one.module}) is not taken over: {error}")
            continue
        notes += [f"module {one.module}: {left}" for left in made.left_out]
        timeout = min(one.timeout_ms, made.timeout_ms or one.timeout_ms)
        targets.append(
            {
                "name": _unique(f"{one.job}-{one.target}", names),
                "interval": f"{one.interval_ms}ms" if one.interval_ms % 1000 else f"{one.interval_ms // 1000}s",
                "timeout": f"{timeout}ms" if timeout % 1000 else f"{timeout // 1000}s",
                made.kind: _escaped(made.settings),
            }
        )
    return targets, list(dict.fromkeys(notes))


def _example(module: str, prober: str) -> Any:
    from monitor.importers.scrape import Scraped

    address = {"http": "https://fill-in.example/", "tcp": "fill-in.example:443", "grpc": "fill-in.example:443"}
    return Scraped(
        job=module,
        module=module,
        target=address.get(prober, "fill-in.example"),
        interval_ms=60_000,
        timeout_ms=10_000,
        labels={},
    )


def _unique(text: str, names: set[str]) -> str:
    """A name of ours from this text, unlike all before."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", re.sub(r"https?://", "", text)).strip("-._")[:90] or "target"
    name, number = plain, 1
    while name in names:
        number += 1
        name = f"{plain}-{number}"
    names.add(name)
    return name


def _escaped(value: Any) -> Any:
    """A plain ``${`` must not be taken for a variable of the environment."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value


def _yaml(data: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # an untyped attribute
    yaml.width = 10_000
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue()
