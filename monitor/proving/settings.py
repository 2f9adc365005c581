"""The `proof` block of the configuration: the key, sealing, witnesses, statements and how long raw rows are kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from monitor.config.settings import Section
from monitor.config.validation import Misnamed, no_contract
from monitor.notify.settings import MailChannel
from monitor.statement.words import LANGUAGES
from probes._fields import Duration, LocalFile, Settings, Strings
from probes._pem import CertificateFile, key_of


class Witness(Settings):
    """A place that gets a copy of each signed checkpoint: exactly one of file, post, git, mail."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    file: str | None = Field(default=None, description="a file to which each checkpoint is appended")
    post: str | None = Field(default=None, pattern="^https?://", description="an address that takes it by POST")
    git: str | None = Field(default=None, description="a git remote that it is pushed to, on a branch of its own")
    mail: MailChannel | None = None
    heartbeats: bool | None = Field(
        default=None, description="whether it gets the day's heartbeats too; yes, but not by mail"
    )

    @property
    def wants_heartbeats(self) -> bool:
        """Whether the day's heartbeats go there too: so many mails are sent only where they were asked for."""
        return self.mail is None if self.heartbeats is None else self.heartbeats

    @model_validator(mode="after")
    def _one_way(self) -> "Witness":
        if sum(way is not None for way in (self.file, self.post, self.git, self.mail)) != 1:
            raise ValueError(f"the witness {self.name!r} needs exactly one of file, post, git and mail")
        return self


class Timestamping(Settings):
    """An authority that stamps each checkpoint and each statement (RFC 3161)."""

    url: str = Field(pattern="^https?://")
    ca: CertificateFile | None = Field(
        default=None, description="the authority's certificates, to check its answers with"
    )


class Certificate(Settings):
    """A certificate of one's own for signing statements (PEM), in place of the one that follows from the key."""

    certificate: CertificateFile
    key: Annotated[LocalFile, key_of("certificate")]
    chain: CertificateFile | None = None


def _language(value: Any) -> str:
    if value not in LANGUAGES:
        raise ValueError(f"{value!r} is no language of statements; write one of: {', '.join(LANGUAGES)}")
    return str(value)


class ProofSettings(Section):
    """Sealing and proving. Everything has a default; outside witnesses are off unless named."""

    KEY: ClassVar[str] = "proof"
    FILE_SECRETS: ClassVar[bool] = False

    name: str | None = Field(
        default=None, description="the monitor's name in its signatures, like monitor.example.com/slaproof"
    )
    key: str | None = Field(default=None, description="the private key's file; default: beside the database")
    key_credential: str | None = Field(default=None, description="the private key as a systemd credential")
    seal_after: Duration = Field(default=180_000, description="how long after a day's end it is sealed")
    heartbeat: Duration = Field(default=3_600_000, description="how often the day so far is signed; 0s: never")
    show_heartbeats: Literal["yes", "no"] = Field(
        default="no",
        description="show in bundles that each heartbeat was a beginning of its day, for readers who keep heartbeats; "
        "adds some 40 bytes a heartbeat, more with many contracts",
    )
    settle: Duration = Field(default=93_600_000, description="how long after a period's end it is proved")
    folder: str | None = Field(
        default=None, description="where statements are kept; default: proofs, beside the database"
    )
    languages: tuple[Annotated[str, BeforeValidator(_language)], ...] = ("en",)
    customer: str = Field(default="", description="who the statement is made for")
    timestamps: Timestamping | None = None
    witnesses: tuple[Witness, ...] = ()
    sign_with: Certificate | None = None
    mail: MailChannel | None = Field(default=None, description="where finished statements are mailed")
    contracts: Strings = Field(default=(), description="prove only these by themselves; none named: all")
    automatic: Literal["yes", "no"] = "yes"
    keep_rows: Duration | None = Field(
        default=None,
        description="how long raw observations are kept once they are sealed and exported; default: for good",
    )

    def against(self, contracts: Mapping[str, Sequence[str]]) -> Misnamed:
        """Contracts to prove that are not there."""
        yield from no_contract(self.contracts, contracts, ("contracts",))

    def key_path(self, base: Path, storage: Path) -> Path:
        """The private key's file."""
        if self.key_credential is not None:
            from monitor.keys import credential_path

            return credential_path(self.key_credential)
        return base / self.key if self.key is not None else storage.with_suffix(".key")

    def proofs_folder(self, base: Path, storage: Path) -> Path:
        """Where statements are kept."""
        return base / self.folder if self.folder is not None else storage.parent / "proofs"
