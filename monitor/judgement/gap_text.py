"""Why the monitor did not see something, in words: one vocabulary for report and statement, in every language. Pure."""

from __future__ import annotations

from collections.abc import Mapping

GAPS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "not_running": "the monitor was not running",
        "loop_stalled": "the monitor stood still",
        "clock_stepped_forward": "the clock was set forward",
        "clock_stepped_back": "the clock was set back",
        "suspended": "the machine was suspended",
        "overrun": "the probe before was still under way",
        "store_full": "results could not be written",
        "reload": "the configuration was reloaded",
        "shutdown": "the monitor was stopped",
        "budget": "the day's budget of the probe was spent",
        "internal": "a fault in the monitor itself",
        "imported": "no measurement was taken over",
        "unaccounted": "the monitor does not know",
    },
    "de": {
        "not_running": "die Messung lief nicht",
        "loop_stalled": "die Messung stand still",
        "clock_stepped_forward": "die Uhr wurde vorgestellt",
        "clock_stepped_back": "die Uhr wurde zurückgestellt",
        "suspended": "der Rechner schlief",
        "overrun": "die Messung davor lief noch",
        "store_full": "Ergebnisse ließen sich nicht schreiben",
        "reload": "die Konfiguration wurde neu geladen",
        "shutdown": "die Messung wurde angehalten",
        "budget": "das Tagesbudget der Messung war verbraucht",
        "internal": "ein Fehler der Messung selbst",
        "imported": "keine Messung wurde übernommen",
        "unaccounted": "unbekannt",
    },
}


def say_gap(reason: str, language: str = "en") -> str:
    """The reason for people; one that nobody knows as it is written."""
    return GAPS[language].get(reason, reason.replace("_", " "))
