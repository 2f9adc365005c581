"""The block ``claims`` of the configuration: how letters that claim a credit are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, ValidationInfo

from monitor.config.settings import Section
from monitor.sla.instants import zone


def _zone(value: Any) -> str:
    zone(str(value))
    return str(value)


def _folder(value: Any, info: ValidationInfo) -> Path:
    path = Path((info.context or {}).get("base", "."), str(value))
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}; name one that exists, relative to the configuration's folder")
    return path


class ClaimsSettings(Section):
    """How letters that claim a credit are written."""

    KEY: ClassVar[str] = "claims"
    FILE_SECRETS: ClassVar[bool] = False

    templates: Annotated[
        Annotated[Path, BeforeValidator(_folder, json_schema_input_type=str)] | None,
        Field(description="a folder with templates of one's own: en.txt.j2, de.txt.j2, sv.txt.j2, es.txt.j2"),
    ] = None
    timezone: Annotated[
        Annotated[str, BeforeValidator(_zone)] | None,
        Field(description="the local time that stands beside UTC, such as Europe/Berlin; this machine's"),
    ] = None
    customer: Annotated[str, Field(description="who signs the letters; proof.customer where nothing is said")] = ""
