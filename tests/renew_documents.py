"""Writes what is generated from the configuration's models: config/schema.json, the reference in docs/configuration.md.

Run it from the repository's root after a change of a model: ``python tests/renew_documents.py``.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from monitor.config.schema import schema  # noqa: E402
from monitor.config.schema_text import reference  # noqa: E402

MARKER = "<!-- from here on: slaproof schema --markdown -->\n"

(ROOT / "config/schema.json").write_text(json.dumps(schema(), ensure_ascii=False, indent=2) + "\n")
page = ROOT / "docs/configuration.md"
page.write_text(page.read_text().partition(MARKER)[0] + MARKER + "\n" + reference())
