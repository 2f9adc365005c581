"""The daemon's log: one line an occurrence, key=value or JSON, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from monitor.config.models import LogSettings
from probes._redact import Redactor

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Formatter(logging.Formatter):
    """Time, level, where, what, and whatever was given as ``extra``; secrets are taken out of the whole line."""

    def __init__(self, redactor: Redactor, as_json: bool) -> None:
        super().__init__()
        self.redactor = redactor
        self._json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One line, or more where a traceback belongs to it."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        fields |= {key: value for key, value in vars(record).items() if key not in _PLAIN}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._json:
            return self.redactor(json.dumps(fields, ensure_ascii=False, default=str))
        traceback = fields.pop("traceback", None)
        line = " ".join(f"{key}={_value(value)}" for key, value in fields.items())
        return self.redactor(f"{line}\n{traceback}" if traceback else line)


def _value(value: object) -> str:
    text = str(value)
    return text if text and all(c.isalnum() or c in "._:/+-" for c in text) else json.dumps(text, ensure_ascii=False)


def set_up(settings: LogSettings, redactor: Redactor, stream: TextIO | None = None) -> None:
    """Send all logging to ``stream`` (standard error), from the level on that the configuration names."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Formatter(redactor, settings.format == "json"))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    # They say what only their own authors want to know.
    for noisy in ("apscheduler", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
