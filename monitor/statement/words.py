"""The words of the statement, in English and German. Every key stands in both; a test holds them together."""

import datetime as dt
from collections.abc import Mapping

from monitor.judgement.gap_text import say_gap
from monitor.sla.instants import zone as _zone
from monitor.times import span

LANGUAGES = ("en", "de")

_MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "de": [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
}
_DAYS = {"en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), "de": ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")}

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Statement of availability",
        "generated": "Generated data: an example, not a measurement",
        "contract": "Contract",
        "period": "Period",
        "calendar_month": "calendar month",
        "billing_month": "billing month",
        "running": "The period is still running; this statement covers it up to {to}.",
        "customer": "Customer",
        "provider": "Provider",
        "verdict_heading": "The verdict",
        "met": "promise kept",
        "breached": "promise broken",
        "unproven": "not proven",
        "no_target": "no promise",
        "say_breached": "{service}: available {availability} of {whole}. The contract promises {target}: "
        "the promise was broken.",
        "say_met": "{service}: available {availability} of {whole}. The contract promises {target}: "
        "the promise was kept, even if all that was not seen had been down.",
        "say_unproven": "{service}: available {availability} of {whole}, as far as was seen. The contract promises "
        "{target}; too much was not seen to say that the promise was kept: at worst it was {worst}.",
        "say_no_target": "{service}: available {availability} of {whole}. The contract promises no figure.",
        "say_nothing": "{service}: there is nothing to divide by; no figure can be given.",
        "say_unseen": "{service}: nothing was observed; no figure can be given.",
        "whole_time": "the time",
        "whole_check": "the checks",
        "service": "Service",
        "target": "Promised",
        "availability": "Availability",
        "worst": "At worst",
        "coverage": "Seen",
        "counted": "Counted downtime",
        "verdict": "Verdict",
        "cut_note": "Percentages are cut, never rounded up. “At worst” takes everything that was not seen as down; "
        "“seen” is the share of the time in which the monitor knew the state.",
        "checks": "{n} checks",
        "credit_heading": "Credit",
        "credit_due": "A credit of {percent} of the fee is due{amount}. It must be claimed before {deadline}.",
        "credit_due_open": "A credit of {percent} of the fee is due{amount}. The contract names no deadline.",
        "credit_amount": ": {amount}",
        "credit_none": "No credit is due.",
        "credit_absent": "The contract promises no credit.",
        "credit_counted": "Counted downtime of all services together",
        "credit_exact": "before rounding {exact}",
        "credit_out_of": "Out of",
        "credit_availability": "Availability of all services together",
        "credit_allowance": "Allowed before a credit ({share} of it)",
        "credit_beyond": "Beyond the allowance",
        "credit_blocks": "Blocks of {each}, {credit} each",
        "credit_whole": "{n} whole",
        "credit_begun": "{n} begun",
        "credit_tier": "Tier",
        "credit_tier_value": "below {below}: {credit}",
        "credit_tier_none": "none reached",
        "credit_before_cap": "Percentage before the cap",
        "credit_percent": "Percentage",
        "credit_fee": "Fee",
        "credit_before_cap_amount": "Amount before the cap",
        "credit_result": "Amount",
        "credit_deadline": "To be claimed before",
        "no_fee": "The configuration names no fee, so no amount is given.",
        "verify_heading": "How to check this statement",
        "verify_text": "This file carries its evidence: every observation behind these pages, sealed day by day and signed. "
        "Save it and run “slaproof verify {file}”, or drop it on the verifier page (verify.html): neither needs a "
        "network or trust in whoever made it. docs/proof-format.md describes the evidence for those who write a "
        "verifier of their own.",
        "key": "Signing key",
        "checkpoint": "Last checkpoint",
        "evidence": "Evidence (SHA-256)",
        "location": "Probed from",
        "calendar_heading": "The month, day by day",
        "calendar_alt": "Calendar of {service}: {days_down} days with downtime, {days_unknown} days not wholly seen. {worst}",
        "calendar_alt_worst": "Most downtime on {day}: {down}.",
        "calendar_alt_clean": "No downtime on any day.",
        "legend_up": "up",
        "legend_down": "down",
        "legend_excluded": "left out",
        "legend_unknown": "not seen",
        "calendar_note": "Each bar is a day from 00:00 to 24:00, {timezone}.",
        "outages_heading": "Outages",
        "outages_none": "No outage was observed.",
        "outage_title": "{service}: {start}",
        "outage_from": "From",
        "outage_to": "To",
        "outage_lasted": "Lasted",
        "outage_counted": "Counted",
        "outage_cause": "First cause",
        "outage_reported": "Reported",
        "outage_not_reported": "not reported",
        "outage_claim": "Claim before",
        "outage_failures": "{n} failed probes",
        "outage_alt": "Timeline from {start} to {end}: down from {down} to {up}; {failures} failed and {ok} good probes.",
        "outage_more": "… and {n} more probes, in the evidence",
        "utc": "UTC",
        "local": "{timezone}",
        "time": "Time (UTC)",
        "probe_target": "Target",
        "outcome": "Outcome",
        "detail": "What was seen",
        "scheduled": "scheduled",
        "followup": "follow-up",
        "excuses_heading": "Maintenance and exclusions",
        "excuses_none": "None was recorded for this period.",
        "what": "What",
        "announced": "Announced",
        "downtime_inside": "Down within",
        "treatment": "Treatment",
        "why_excluded": "left out",
        "why_kind_counted": "counts: the contract counts this kind",
        "why_late": "counts: announced too late",
        "why_unannounced": "counts: no announcement is known",
        "why_always_counted": "counts: maintenance never excuses this service",
        "why_reason_not_accepted": "counts: the contract does not accept this reason",
        "kind_scheduled": "scheduled maintenance",
        "kind_emergency": "emergency maintenance",
        "gaps_heading": "What the monitor did not see",
        "gaps_none": "Nothing: every scheduled probe was made.",
        "gap_target": "Target",
        "gap_slots": "Probes missed",
        "gap_reason": "Reason",
        "balance_heading": "Balance",
        "balance_text": "Every scheduled probe is either an observation or a gap with a reason.",
        "expected": "Expected",
        "observed": "Observed",
        "gaps": "Gaps",
        "difference": "Difference",
        "response_heading": "Response times",
        "response_text": "Scheduled probes that succeeded, in milliseconds.",
        "probes": "Probes",
        "median": "Median",
        "p95": "95 %",
        "p99": "99 %",
        "max": "Longest",
        "tickets_heading": "Answers of the provider's support",
        "ticket": "Ticket",
        "rule": "Rule",
        "milestone": "Milestone",
        "opened": "Opened",
        "due": "Due",
        "reached": "Reached",
        "not_reached": "not reached",
        "ticket_met": "in time",
        "ticket_breached": "late",
        "ticket_pending": "pending",
        "milestone_acted": "acted",
        "milestone_responded": "responded",
        "milestone_resolved": "resolved",
        "method_heading": "How it was counted",
        "clock_heading": "The monitor's clock",
        "clock_text": "The clock's offset, as the operating system's time synchronisation reported it over the period.",
        "clock_none": "No offset of the clock was recorded in this period.",
        "clock_samples": "Readings",
        "clock_worst": "Largest offset",
        "clock_steps": "Steps of the clock",
        "clock_unsynced": "Readings without synchronisation",
        "corrections_heading": "Corrections",
        "revision_heading": "Revision {n}",
        "revision_text": "Revision {before} stays valid: it says what was known when it was signed. This revision says what "
        "has become known since.",
        "signed_heading": "Who signed",
        "signed_by": "Signed by",
        "signed_key": "Key",
        "signed_seals": "Sealed days",
        "signed_timestamps": "Outside timestamps",
        "signed_none": "none",
        "signed_version": "Program",
        "page": "page {n} of {total}",
        "m_unit_time": "Downtime is counted to the millisecond.",
        "m_unit_minute": "Downtime is counted in whole minutes ({mode}, {apply}).",
        "m_unit_second": "Seconds are counted: a second is down when all probes that began in it failed.",
        "m_unit_check": "Checks are counted: failed scheduled probes out of all scheduled probes.",
        "m_mode_nearest": "to the nearest, a half up",
        "m_mode_up": "rounded up",
        "m_mode_down": "rounded down",
        "m_apply_total": "in total",
        "m_apply_each": "each outage alone",
        "m_elapsed": "It is measured against the length that the period really has.",
        "m_elapsed_minus_excluded": "It is measured against the length of the period less what is left out.",
        "m_fixed": "It is measured against {length}, whatever the month.",
        "m_confirm": "A failure counts once {n} consecutive probes have failed; shorter runs count as up.",
        "m_confirm_one": "A single failed probe counts.",
        "m_outcomes": "These outcomes count as down: {outcomes}. What is the customer's, the network's or the monitor's own "
        "fault never counts against the provider; it is shown as not seen.",
        "m_hold": "What a probe found holds until the next one, but no longer than {hold}; after that the state is unknown.",
        "or": "or",
        "m_hold_many": "What a probe found holds until the next one, but no longer than {hold}, as the target's interval "
        "is; after that the state is unknown.",
        "m_outage": "An outage runs from the first failed probe to the first good one. After a failure the target is "
        "probed again at short intervals.",
        "m_report": "Of each outage only the part after its first report to the provider counts.",
        "m_quorum": "With several locations a target is down when {quorum} of those that know its state say so.",
        "m_maintenance": "Scheduled maintenance is {scheduled}, emergency maintenance is {emergency}.",
        "m_notice": "Scheduled maintenance is left out only if it was announced at least {notice} before.",
        "m_always": "Never excused by maintenance: {services}.",
        "m_exclusions": "Accepted reasons for an exclusion: {reasons}.",
        "m_excluded": "left out",
        "m_counted": "counted",
        "m_quorum_majority": "more than half",
        "m_quorum_all": "all",
        "m_quorum_any": "one",
        "m_unknown": "Availability takes what was not seen as up: only what was seen failing is held against the provider.",
        "m_clause": "clause {clause}",
        "m_heading": "section “{clause}”",
        "m_holidays": "Holidays are those of the package holidays {version}.",
        "everywhere": "all services",
        "none": "none",
    },
    "de": {
        "title": "Verfügbarkeitsnachweis",
        "generated": "Erzeugte Daten: ein Beispiel, keine Messung",
        "contract": "Vertrag",
        "period": "Zeitraum",
        "calendar_month": "Kalendermonat",
        "billing_month": "Abrechnungsmonat",
        "running": "Der Zeitraum läuft noch; dieser Nachweis reicht bis {to}.",
        "customer": "Kunde",
        "provider": "Anbieter",
        "verdict_heading": "Das Ergebnis",
        "met": "eingehalten",
        "breached": "nicht eingehalten",
        "unproven": "nicht bewiesen",
        "no_target": "keine Zusage",
        "say_breached": "{service}: zu {availability} {whole} verfügbar. Der Vertrag sagt {target} zu: "
        "Die Zusage wurde nicht eingehalten.",
        "say_met": "{service}: zu {availability} {whole} verfügbar. Der Vertrag sagt {target} zu: "
        "Die Zusage wurde eingehalten, selbst wenn alles nicht Gesehene ausgefallen wäre.",
        "say_unproven": "{service}: zu {availability} {whole} verfügbar, soweit gesehen. Der Vertrag sagt {target} zu; "
        "zu viel blieb ungesehen, um zu beweisen, dass die Zusage eingehalten wurde: schlimmstenfalls waren es {worst}.",
        "say_no_target": "{service}: zu {availability} {whole} verfügbar. Der Vertrag nennt keinen Wert.",
        "say_nothing": "{service}: es gibt nichts, woran gemessen werden könnte; ein Wert lässt sich nicht angeben.",
        "say_unseen": "{service}: es wurde nichts beobachtet; ein Wert lässt sich nicht angeben.",
        "whole_time": "der Zeit",
        "whole_check": "der Prüfungen",
        "service": "Dienst",
        "target": "Zugesagt",
        "availability": "Verfügbarkeit",
        "worst": "Schlimmstenfalls",
        "coverage": "Gesehen",
        "counted": "Gezählter Ausfall",
        "verdict": "Ergebnis",
        "cut_note": "Prozentwerte sind abgeschnitten, nie aufgerundet. „Schlimmstenfalls“ wertet alles Ungesehene als "
        "Ausfall; „gesehen“ ist der Anteil der Zeit, in dem der Zustand bekannt war.",
        "checks": "{n} Prüfungen",
        "credit_heading": "Gutschrift",
        "credit_due": "Dem Kunden steht eine Gutschrift von {percent} der Gebühr zu{amount}. Sie ist vor dem {deadline} geltend zu machen.",
        "credit_due_open": "Dem Kunden steht eine Gutschrift von {percent} der Gebühr zu{amount}. Der Vertrag nennt keine Frist.",
        "credit_amount": ": {amount}",
        "credit_none": "Dem Kunden steht keine Gutschrift zu.",
        "credit_absent": "Der Vertrag sagt keine Gutschrift zu.",
        "credit_counted": "Gezählter Ausfall aller Dienste zusammen",
        "credit_exact": "vor dem Runden {exact}",
        "credit_out_of": "Von",
        "credit_availability": "Verfügbarkeit aller Dienste zusammen",
        "credit_allowance": "Freigrenze vor einer Gutschrift ({share} davon)",
        "credit_beyond": "Über die Freigrenze hinaus",
        "credit_blocks": "Blöcke zu {each}, je {credit}",
        "credit_whole": "{n} ganze",
        "credit_begun": "{n} begonnene",
        "credit_tier": "Stufe",
        "credit_tier_value": "unter {below}: {credit}",
        "credit_tier_none": "keine erreicht",
        "credit_before_cap": "Prozentsatz vor der Obergrenze",
        "credit_percent": "Prozentsatz",
        "credit_fee": "Gebühr",
        "credit_before_cap_amount": "Betrag vor der Obergrenze",
        "credit_result": "Betrag",
        "credit_deadline": "Geltend zu machen vor",
        "no_fee": "Die Konfiguration nennt keine Gebühr, daher steht hier kein Betrag.",
        "verify_heading": "So wird dieser Nachweis geprüft",
        "verify_text": "Diese Datei trägt ihre Beweise in sich: jede Beobachtung hinter diesen Seiten, Tag für Tag "
        "versiegelt und signiert. Speichern Sie sie und führen Sie „slaproof verify {file}“ aus, oder ziehen Sie sie "
        "auf die Prüfseite (verify.html): beides braucht weder Netz noch Vertrauen in den Aussteller. "
        "docs/proof-format.md beschreibt die Beweise für alle, die selbst ein Prüfprogramm schreiben.",
        "key": "Signaturschlüssel",
        "checkpoint": "Letzter Prüfpunkt",
        "evidence": "Beweise (SHA-256)",
        "location": "Gemessen von",
        "calendar_heading": "Der Monat, Tag für Tag",
        "calendar_alt": "Kalender von {service}: {days_down} Tage mit Ausfall, {days_unknown} Tage nicht ganz gesehen. {worst}",
        "calendar_alt_worst": "Der meiste Ausfall am {day}: {down}.",
        "calendar_alt_clean": "An keinem Tag ein Ausfall.",
        "legend_up": "verfügbar",
        "legend_down": "ausgefallen",
        "legend_excluded": "nicht gewertet",
        "legend_unknown": "nicht gesehen",
        "calendar_note": "Jeder Balken ist ein Tag von 00:00 bis 24:00 Uhr, {timezone}.",
        "outages_heading": "Ausfälle",
        "outages_none": "Es wurde kein Ausfall beobachtet.",
        "outage_title": "{service}: {start}",
        "outage_from": "Von",
        "outage_to": "Bis",
        "outage_lasted": "Dauer",
        "outage_counted": "Gezählt",
        "outage_cause": "Erste Ursache",
        "outage_reported": "Gemeldet",
        "outage_not_reported": "nicht gemeldet",
        "outage_claim": "Geltend zu machen vor",
        "outage_failures": "{n} Fehlschläge",
        "outage_alt": "Zeitleiste von {start} bis {end}: ausgefallen von {down} bis {up}; {failures} gescheiterte und "
        "{ok} gute Messungen.",
        "outage_more": "… und {n} weitere Messungen, in den Beweisen",
        "utc": "UTC",
        "local": "{timezone}",
        "time": "Zeit (UTC)",
        "probe_target": "Ziel",
        "outcome": "Ergebnis",
        "detail": "Was gesehen wurde, im Wortlaut",
        "scheduled": "planmäßig",
        "followup": "Nachmessung",
        "excuses_heading": "Wartung und Ausnahmen",
        "excuses_none": "Für diesen Zeitraum ist nichts vermerkt.",
        "what": "Was",
        "announced": "Angekündigt",
        "downtime_inside": "Ausfall darin",
        "treatment": "Wertung",
        "why_excluded": "nicht gewertet",
        "why_kind_counted": "zählt: der Vertrag wertet diese Art",
        "why_late": "zählt: zu spät angekündigt",
        "why_unannounced": "zählt: keine Ankündigung bekannt",
        "why_always_counted": "zählt: Wartung entschuldigt diesen Dienst nie",
        "why_reason_not_accepted": "zählt: diesen Grund erkennt der Vertrag nicht an",
        "kind_scheduled": "geplante Wartung",
        "kind_emergency": "Notfallwartung",
        "gaps_heading": "Was die Messung nicht sah",
        "gaps_none": "Nichts: jede planmäßige Messung fand statt.",
        "gap_target": "Ziel",
        "gap_slots": "Fehlende Messungen",
        "gap_reason": "Grund",
        "balance_heading": "Bilanz",
        "balance_text": "Jede planmäßige Messung ist entweder eine Beobachtung oder eine Lücke mit Grund.",
        "expected": "Erwartet",
        "observed": "Beobachtet",
        "gaps": "Lücken",
        "difference": "Differenz",
        "response_heading": "Antwortzeiten",
        "response_text": "Planmäßige Messungen mit Erfolg, in Millisekunden.",
        "probes": "Messungen",
        "median": "Median",
        "p95": "95 %",
        "p99": "99 %",
        "max": "Längste",
        "tickets_heading": "Antworten des Supports",
        "ticket": "Ticket",
        "rule": "Regel",
        "milestone": "Schritt",
        "opened": "Eröffnet",
        "due": "Fällig",
        "reached": "Erreicht",
        "not_reached": "nicht erreicht",
        "ticket_met": "rechtzeitig",
        "ticket_breached": "verspätet",
        "ticket_pending": "offen",
        "milestone_acted": "gehandelt",
        "milestone_responded": "geantwortet",
        "milestone_resolved": "gelöst",
        "method_heading": "Wie gezählt wurde",
        "clock_heading": "Die Uhr der Messung",
        "clock_text": "Die Abweichung der Uhr, wie sie die Zeitsynchronisation des Betriebssystems im Zeitraum meldete.",
        "clock_none": "In diesem Zeitraum ist keine Abweichung der Uhr vermerkt.",
        "clock_samples": "Ablesungen",
        "clock_worst": "Größte Abweichung",
        "clock_steps": "Sprünge der Uhr",
        "clock_unsynced": "Ablesungen ohne Synchronisation",
        "corrections_heading": "Berichtigungen",
        "revision_heading": "Fassung {n}",
        "revision_text": "Fassung {before} bleibt gültig: Sie gibt wieder, was bei ihrer Signatur bekannt war. Diese Fassung "
        "gibt wieder, was seither bekannt geworden ist.",
        "signed_heading": "Wer signiert hat",
        "signed_by": "Signiert von",
        "signed_key": "Schlüssel",
        "signed_seals": "Versiegelte Tage",
        "signed_timestamps": "Fremde Zeitstempel",
        "signed_none": "keine",
        "signed_version": "Programm",
        "page": "Seite {n} von {total}",
        "m_unit_time": "Der Ausfall wird auf die Millisekunde gezählt.",
        "m_unit_minute": "Der Ausfall wird in ganzen Minuten gezählt ({mode}, {apply}).",
        "m_unit_second": "Gezählt werden Sekunden: eine Sekunde gilt als ausgefallen, wenn alle in ihr begonnenen Messungen "
        "scheiterten.",
        "m_unit_check": "Gezählt werden Prüfungen: gescheiterte planmäßige Messungen von allen planmäßigen.",
        "m_mode_nearest": "zur nächsten, eine halbe aufwärts",
        "m_mode_up": "aufgerundet",
        "m_mode_down": "abgerundet",
        "m_apply_total": "in der Summe",
        "m_apply_each": "jeder Ausfall für sich",
        "m_elapsed": "Gemessen wird an der wirklichen Länge des Zeitraums.",
        "m_elapsed_minus_excluded": "Gemessen wird an der Länge des Zeitraums ohne das nicht Gewertete.",
        "m_fixed": "Gemessen wird an {length}, gleich welcher Monat.",
        "m_confirm": "Ein Fehler zählt, sobald {n} Messungen nacheinander scheiterten; kürzere Folgen gelten als verfügbar.",
        "m_confirm_one": "Schon eine gescheiterte Messung zählt.",
        "m_outcomes": "Als Ausfall zählen diese Ergebnisse: {outcomes}. Was am Kunden, am Netz oder an der Messung selbst "
        "liegt, zählt nie gegen den Anbieter; es gilt als nicht gesehen.",
        "m_hold": "Was eine Messung fand, gilt bis zur nächsten, aber höchstens {hold}; danach ist der Zustand unbekannt.",
        "m_hold_many": "Was eine Messung fand, gilt bis zur nächsten, aber höchstens {hold}, je nach dem Messabstand des "
        "Ziels; danach ist der Zustand unbekannt.",
        "or": "oder",
        "m_outage": "Ein Ausfall dauert von der ersten gescheiterten bis zur ersten guten Messung. Nach einem Fehler wird in "
        "kurzen Abständen nachgemessen.",
        "m_report": "Von jedem Ausfall zählt nur der Teil nach seiner ersten Meldung an den Anbieter.",
        "m_quorum": "Bei mehreren Standorten gilt ein Ziel als ausgefallen, wenn {quorum} derer, die seinen Zustand kennen, "
        "es so sehen.",
        "m_maintenance": "Geplante Wartung wird {scheduled}, Notfallwartung wird {emergency}.",
        "m_notice": "Geplante Wartung bleibt nur außer Wertung, wenn sie mindestens {notice} vorher angekündigt war.",
        "m_always": "Nie durch Wartung entschuldigt: {services}.",
        "m_exclusions": "Anerkannte Gründe für eine Ausnahme: {reasons}.",
        "m_excluded": "nicht gewertet",
        "m_counted": "gewertet",
        "m_quorum_majority": "mehr als die Hälfte",
        "m_quorum_all": "alle",
        "m_quorum_any": "einer",
        "m_unknown": "Die Verfügbarkeit wertet Ungesehenes als verfügbar: nur was scheitern gesehen wurde, zählt gegen den "
        "Anbieter.",
        "m_clause": "Ziffer {clause}",
        "m_heading": "Abschnitt „{clause}“",
        "m_holidays": "Feiertage sind die des Pakets holidays {version}.",
        "everywhere": "alle Dienste",
        "none": "keine",
    },
}

SERVICES: Mapping[str, Mapping[str, str]] = {
    "en": {"api": "API", "smtp": "SMTP", "smtp_in": "SMTP inbound", "sms_gateway": "SMS gateway", "website": "Website",
           "online_apps": "Online applications", "outbound": "Outbound delivery"},
    "de": {"api": "API", "smtp": "SMTP", "smtp_in": "SMTP-Empfang", "sms_gateway": "SMS-Gateway", "website": "Website",
           "online_apps": "Online-Anwendungen", "outbound": "Versand"},
}  # fmt: skip

OUTCOMES: Mapping[str, Mapping[str, str]] = {
    "en": {"tls": "TLS", "dns": "DNS", "listed": "on a blocklist"},
    "de": {
        "ok": "in Ordnung", "timeout": "keine Antwort", "connect_timeout": "keine Verbindung", "refused": "abgelehnt",
        "reset": "abgebrochen", "tls": "TLS", "dns": "DNS", "server_error": "Serverfehler",
        "wrong_answer": "falsche Antwort", "protocol": "Protokollfehler", "undelivered": "nicht zugestellt",
        "listed": "auf einer Sperrliste", "rejected": "zurückgewiesen", "throttled": "gedrosselt", "network": "Netz",
        "local": "eigener Fehler", "offline": "selbst offline",
    },
}  # fmt: skip

REASONS: Mapping[str, Mapping[str, str]] = {
    "en": {"ddos": "DDoS attack"},
    "de": {
        "customer_error": "Fehler des Kunden", "customer_breach": "Vertragsbruch des Kunden", "ddos": "DDoS-Angriff",
        "malware": "Schadsoftware", "intrusion": "Eindringen", "third_party": "Dritte", "force_majeure": "höhere Gewalt",
    },
}  # fmt: skip
"""For what an exclusion may be."""


class Speaker:
    """Writes words, times and numbers in one language and one contract's timezone."""

    def __init__(self, language: str, timezone: str) -> None:
        if language not in WORDS:
            raise ValueError(f"no words for {language!r}; there are: {', '.join(WORDS)}")
        self.language = language
        self.timezone = timezone
        self.zone: dt.tzinfo = _zone(timezone)
        self._words = WORDS[language]

    def __call__(self, key: str, **values: object) -> str:
        """The phrase of that key with its values filled in; KeyError where either is missing."""
        return self._words[key].format(**values)

    def service(self, name: str) -> str:
        """The service's name for people."""
        return SERVICES[self.language].get(name) or name.replace("_", " ").capitalize()

    def outcome(self, name: str | None) -> str:
        """The outcome's name for people."""
        return OUTCOMES[self.language].get(name or "", (name or "–").replace("_", " "))

    def gap(self, reason: str) -> str:
        """Why the monitor did not see something, for people."""
        return say_gap(reason, self.language)

    def reason(self, name: str) -> str:
        """The reason of an exclusion, for people."""
        return REASONS[self.language].get(name, name.replace("_", " "))

    def clause(self, name: str) -> str:
        """Where a contract says something: a number as it is, a heading in quotation marks."""
        return self("m_clause" if name[:1].isdigit() or name[:1] == "§" else "m_heading", clause=name)

    @property
    def zone_name(self) -> str:
        """The contract's timezone; a bare offset says from what."""
        return f"UTC{self.timezone}" if self.timezone[:1] in "+-" else self.timezone

    def percent(self, text: str) -> str:
        """A percentage as this language writes it: with a thin space before the sign, and its own decimal mark."""
        bare = text.replace("%", "").strip()
        return f"{bare.replace('.', ',') if self.language == 'de' else bare}\u202f%"

    def number(self, value: int) -> str:
        """A whole number with its thousands set apart by a thin space."""
        return f"{value:,}".replace(",", "\u202f")

    def span(self, ms: int) -> str:
        """A length of time."""
        text = span(ms)
        return text.replace(".", ",") if self.language == "de" else text

    def moment(self, ms: int | None, *, local: bool = False, seconds: bool = True) -> str:
        """An instant in UTC, or in the contract's timezone, to the second."""
        if ms is None:
            return "–"
        zone = self.zone if local else dt.UTC
        return self._at(ms, zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")

    def day(self, ms: int) -> str:
        """The local date, in words."""
        at = self._at(ms, self.zone)
        month = _MONTHS[self.language][at.month - 1]
        return f"{at.day}. {month} {at.year}" if self.language == "de" else f"{at.day} {month} {at.year}"

    def month(self, name: str) -> str:
        """A period's name in words: ``2026-10`` is October 2026."""
        year, month = name.split("-")
        return f"{_MONTHS[self.language][int(month) - 1]} {year}"

    def weekdays(self) -> tuple[str, ...]:
        """The days of the week, shortened, from Monday."""
        return _DAYS[self.language]

    @staticmethod
    def _at(ms: int, zone: dt.tzinfo) -> dt.datetime:
        return dt.datetime.fromtimestamp(ms // 1000, zone)
