"""Reads the one configuration file into values that everybody else is given.

1. Every problem of the file is reported at once, each with its place and what to write instead; then nothing is used.
2. A key that is not known is a problem: a setting that is mistyped must not silently mean its default.
3. Paths stand relative to the file; the database also under $STATE_DIRECTORY.
4. Secrets are fetched here and nowhere else, and `Config.redactor` hides each of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from monitor.config.models import LogSettings, ReferenceSettings, Reprobe, Root, TargetSettings
from monitor.config.secrets import Secrets, Source, TreePath
from monitor.config.settings import Section, sections
from monitor.config.terms import presets_folder, read_terms
from monitor.config.validation import follow, keys_of, nearest, validate
from monitor.config.yamlfile import Document, Problem, Problems, Tree
from monitor.config.yamlfile import load as load_yaml
from monitor.durations import write_duration
from monitor.sla.contract import Terms
from probes import kinds
from probes import load as load_kind
from probes._fields import ProbeTarget
from probes._redact import Redactor

if TYPE_CHECKING:
    from monitor.sla.values import TargetSpec

__all__ = ["Config", "ConfigProblems", "ContractConfig", "Problem", "TargetConfig", "load"]

ConfigProblems = Problems
"""What `load` raises: every problem of the file, in its order."""

S = TypeVar("S", bound=Section)

DEFAULT_INTERVAL_MS = 60_000
DEFAULT_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractConfig:
    """One contract of the configuration, with the file that it was read from."""

    terms: Terms
    text: str
    """The contract's file as it stood when it was read."""
    hash: str
    """SHA-256 of that file, hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetConfig:
    """One thing that is watched."""

    name: str
    kind: str
    """A name of `probes.kinds()`."""
    probe: ProbeTarget
    contract: str | None = None
    """The contract whose service it belongs to; None: watched for its own sake."""
    service: str | None = None
    interval_ms: int = DEFAULT_INTERVAL_MS
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    """Always shorter than the interval."""
    stale_after_ms: int | None = None
    """How long an observation's state holds; None: twice the interval."""
    reprobe: Reprobe = field(default_factory=Reprobe)

    @property
    def spec(self) -> TargetSpec:
        """What the arithmetic must know of it; a target without a service stands for itself."""
        from monitor.sla.values import TargetSpec

        return TargetSpec(
            name=self.name,
            service=self.service or self.name,
            interval_ms=self.interval_ms,
            stale_after_ms=self.stale_after_ms,
        )

    @property
    def provider(self) -> str:
        """Whom extra probes are counted against: the contract, or the target itself."""
        return self.contract or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration as understood."""

    path: Path
    text: str
    """The file as written, secrets' places and not their values."""
    hash: str
    """SHA-256 of the text, hex."""
    location: str
    storage: str
    """Absolute path of the database."""
    listen: tuple[str, int]
    reference_hosts: tuple[str, ...]
    nameservers: tuple[str, ...]
    reference: ReferenceSettings
    log: LogSettings
    contracts: Mapping[str, ContractConfig]
    targets: tuple[TargetConfig, ...]
    redactor: Redactor
    secrets: tuple[Source, ...]
    sections: Mapping[str, Section] = field(default_factory=dict)

    def section(self, kind: type[S]) -> S:
        """The block of one part, with its defaults where the file has none."""
        found = self.sections.get(kind.KEY)
        return found if isinstance(found, kind) else kind()

    def target(self, name: str) -> TargetConfig:
        """The target of that name; KeyError if there is none."""
        for target in self.targets:
            if target.name == name:
                return target
        raise KeyError(name)

    def targets_of(self, contract: str, service: str | None = None) -> tuple[TargetConfig, ...]:
        """The targets of a contract, or of one of its services, in the file's order."""
        return tuple(t for t in self.targets if t.contract == contract and service in (None, t.service))


def load(
    path: Path, *, environment: Mapping[str, str] = os.environ, secrets: Literal["needed", "optional"] = "needed"
) -> Config:
    """Read a configuration.

    With ``secrets="optional"`` a secret that is absent is no problem: for commands that only read results. Raises
    ConfigProblems with everything that is wrong.
    """
    document = load_yaml(path)
    return _Loader(path, document, environment, secrets == "needed").load()


class _Loader:
    """One reading of one file; collects the problems."""

    def __init__(self, path: Path, document: Document, environment: Mapping[str, str], required: bool) -> None:
        self._path = path
        self._base = path.resolve().parent
        self._document = document
        self._environment = environment
        self._required = required
        self._problems: list[Problem] = []
        self._secrets = Secrets(self._base, environment, required=required)
        self._plain = Secrets(self._base, environment, required=required, hidden=False)

    def _tell(self, path: TreePath, message: str, on_key: bool = False) -> None:
        self._problems.append(self._document.problem(path, message, key=on_key))

    def load(self) -> Config:
        """The configuration, or ConfigProblems."""
        tree = self._document.data if self._document.data is not None else {}
        if not isinstance(tree, dict):
            raise Problems([self._document.problem((), "keys and values belong here: write location: main and so on")])
        root = self._root(tree)
        contracts = self._contracts(tree)
        targets = self._targets(tree, contracts, root.reprobe if root else Reprobe())
        blocks = self._sections(tree)
        named = {name: [one.name for one in found.terms.contract.services] for name, found in contracts.items()}
        for key, block in blocks.items() if len(named) == len(tree.get("contracts") or ()) else ():
            for place, message in block.against(named):
                # What is wrong with a whole block is its name.
                self._tell((key, *place), message, on_key=isinstance(follow(tree[key], place), dict))
        redactor = Redactor(self._secrets.values)
        if self._problems or root is None:  # a problem may quote what stands in the wrong place
            told = {replace(problem, message=redactor(problem.message)) for problem in self._problems}
            raise Problems(sorted(told))
        text = self._path.read_text("utf-8-sig")
        return Config(
            path=self._path,
            text=redactor(text),
            hash=hashlib.sha256(text.encode()).hexdigest(),
            location=root.location,
            storage=self._storage(root.storage),
            listen=root.listen,
            reference_hosts=root.reference_hosts,
            nameservers=root.nameservers,
            reference=root.reference,
            log=root.log,
            contracts=contracts,
            targets=tuple(targets),
            redactor=redactor,
            secrets=tuple(self._secrets.sources),
            sections=blocks,
        )

    def _contracts(self, tree: dict[str, Tree]) -> dict[str, ContractConfig]:
        """The contracts with their files; those with a problem are left out."""
        section = tree.get("contracts")
        if not section:  # targets may be watched for their own sake
            return {}
        found = {}
        for name, terms in read_terms(self._document, self._base, self._problems).items():
            entry = section[name] if isinstance(section, dict) else None
            assert isinstance(entry, dict)
            preset, file = entry.get("preset"), entry.get("file")
            path = self._base / str(file) if file is not None else presets_folder() / f"{preset}.yaml"
            raw = path.read_bytes()
            found[name] = ContractConfig(terms=terms, text=raw.decode(), hash=hashlib.sha256(raw).hexdigest())
        return found

    def _root(self, tree: dict[str, Tree]) -> Root | None:
        """The settings that stand at the top."""
        own = set(keys_of(Root))
        blocks = {section.KEY for section in sections()}
        for key in tree:
            if key not in own | blocks | {"contracts", "targets"} and not key.startswith("x-"):
                known = own | blocks | {"contracts", "targets"}
                self._tell((key,), f"'{key}' is not known here: {nearest(key, known)}", on_key=True)
        plain = {key: tree[key] for key in tree if key in own}
        plain = {key: self._plain.resolve(value, (key,), self._tell, files=False) for key, value in plain.items()}
        return validate(Root, plain, (), self._tell)

    def _storage(self, storage: str) -> str:
        state = self._environment.get("STATE_DIRECTORY", "").partition(":")[0]
        return str(Path(state or self._base) / storage)

    def _sections(self, tree: dict[str, Tree]) -> dict[str, Section]:
        """The blocks that other parts brought."""
        found = {}
        for section in sections():
            block = tree.get(section.KEY)
            if section.KEY not in tree or block is None:
                found[section.KEY] = section()
                continue
            path = (section.KEY,)
            block = self._secrets.resolve(block, path, self._tell, files=section.FILE_SECRETS)
            read = self._validate(section, block, path)
            if read is not None:
                found[section.KEY] = read
        return found

    def _targets(
        self, tree: dict[str, Tree], contracts: Mapping[str, ContractConfig], reprobe: Reprobe
    ) -> list[TargetConfig]:
        entries = tree.get("targets")
        if entries is None:
            entries = []
        if not isinstance(entries, list):
            self._tell(("targets",), "a list belongs here: begin each target with a dash")
            return []
        found: list[TargetConfig] = []
        first: dict[str, int] = {}
        named = tree.get("contracts")
        for index, entry in enumerate(entries):
            path: TreePath = ("targets", index)
            if not isinstance(entry, dict):
                self._tell(path, "a target is keys and values: write {name: ..., http: {url: ...}}")
                continue
            name = entry.get("name")
            if isinstance(name, str):
                if name in first:
                    line = self._document.place(("targets", first[name], "name"))[0]
                    self._tell((*path, "name"), f"'{name}' is the name of another target, on line {line}: take another")
                first.setdefault(name, index)
            target = self._target(entry, path, contracts, named if isinstance(named, dict) else {}, reprobe)
            if target is not None:
                found.append(target)
        self._several(found, contracts)
        return found

    def _several(self, targets: list[TargetConfig], contracts: Mapping[str, ContractConfig]) -> None:
        """A service with several targets must say when it is down (arithmetic §2)."""
        for name, contract in contracts.items():
            for service in contract.terms.contract.services:
                own = [t.name for t in targets if (t.contract, t.service) == (name, service.name)]
                if len(own) > 1 and service.down_when is None:
                    self._tell(
                        ("contracts", name),
                        f"the service '{service.name}' has {len(own)} targets and its contract does not say when it is "
                        "down: write down_when: any or down_when: all at the service",
                    )

    def _target(
        self,
        entry: dict[str, Tree],
        path: TreePath,
        contracts: Mapping[str, ContractConfig],
        named: Mapping[str, Tree],
        reprobe: Reprobe,
    ) -> TargetConfig | None:
        common = set(keys_of(TargetSettings))
        present = [key for key in entry if key in kinds()]
        for key in entry:
            if key not in common and key not in present:
                known = common | set(kinds())
                self._tell((*path, key), f"'{key}' is not known here: {nearest(key, known)}", on_key=True)
        settings = self._validate(TargetSettings, {k: v for k, v in entry.items() if k in common}, path)
        if len(present) != 1:
            if present == [] and set(entry) <= common:
                self._tell(path, f"nothing says how to probe: add one of {', '.join(kinds())}")
            elif present:
                said = " and ".join(f"'{key}'" for key in present)
                self._tell((*path, present[1]), f"{said} stand together: a target has one kind, make two targets", True)
            return None
        kind = present[0]
        probe = self._probe(kind, entry[kind], (*path, kind))
        if settings is None or probe is None:
            return None
        interval = settings.interval
        if interval is None:
            interval = DEFAULT_INTERVAL_MS
            if probe.costs_money:
                self._tell(path, f"each probe of the kind '{kind}' may cost money: say how often, interval: 1h")
        if settings.timeout is not None and settings.timeout >= interval:
            self._tell(
                (*path, "timeout"),
                f"'{entry['timeout']}' is as long as the interval: write less than {write_duration(interval)}",
            )
        if settings.stale_after is not None and settings.stale_after < interval:
            self._tell(
                (*path, "stale_after"),
                f"'{entry['stale_after']}' is less than the interval: write {write_duration(interval)} or more",
            )
        self._belonging(settings, path, contracts, named)
        return TargetConfig(
            name=settings.name,
            kind=kind,
            probe=probe,
            contract=settings.contract,
            service=settings.service,
            interval_ms=interval,
            timeout_ms=settings.timeout or min(DEFAULT_TIMEOUT_MS, interval * 9 // 10),
            stale_after_ms=settings.stale_after,
            reprobe=settings.reprobe or reprobe,
        )

    def _probe(self, kind: str, block: Tree, path: TreePath) -> ProbeTarget | None:
        """The kind's own settings, secrets in their place."""
        if block is None:
            block = {}
        model = load_kind(kind).Target
        resolved = self._secrets.resolve(block, path, self._tell)
        if not self._secrets.missing_below(path) or not isinstance(resolved, dict):
            return self._validate(model, resolved, path)
        # Where a secret is absent the text need not make sense: what is said of that place alone is passed over.
        before = len(self._problems)

        def tell(place: TreePath, message: str, on_key: bool) -> None:
            if not self._secrets.missing_at(place):
                self._tell(place, message, on_key)

        read = validate(model, resolved, path, tell, context=self._context)
        if read is None and len(self._problems) == before:
            construct: Callable[..., ProbeTarget] = model.model_construct
            return construct(**resolved)
        return read

    @property
    def _context(self) -> dict[str, object]:
        return {"base": self._base, "secrets": "needed" if self._required else "optional"}

    def _validate(self, model: type[_M], tree: object, path: TreePath) -> _M | None:
        return validate(model, tree, path, self._tell, context=self._context)

    def _belonging(
        self,
        settings: TargetSettings,
        path: TreePath,
        contracts: Mapping[str, ContractConfig],
        named: Mapping[str, Tree],
    ) -> None:
        """Whether the contract and the service that the target names are there."""
        if settings.contract is None:
            if settings.service is not None:
                self._tell((*path, "service"), "a service belongs to a contract: add contract: ...")
            return
        if settings.contract not in contracts:
            if settings.contract not in named:  # one that is named but wrong has been told of
                self._tell(
                    (*path, "contract"),
                    f"'{settings.contract}' is no contract here: {nearest(settings.contract, named)}",
                )
            return
        services = [service.name for service in contracts[settings.contract].terms.contract.services]
        if settings.service is None:
            hint = f"write one of {', '.join(services)}" if services else "the contract names none: take contract away"
            self._tell(path, f"'service' is missing, which of the contract it is: {hint}")
        elif settings.service not in services:
            self._tell(
                (*path, "service"),
                f"'{settings.service}' is no service of {settings.contract}: {nearest(settings.service, services)}",
            )


_M = TypeVar("_M", TargetSettings, ProbeTarget, Section)
