"""How it was counted, in plain words with the contract's clauses. Pure."""

from collections.abc import Sequence

from monitor.sla.evaluation import Evaluation
from monitor.sla.values import TargetSpec
from monitor.statement.words import Speaker


def method(judged: Evaluation, targets: Sequence[TargetSpec], say: Speaker) -> list[list[str]]:
    """Each rule of the contract as a sentence, with the clause that it comes from (empty where none is named)."""
    contract = judged.terms.contract
    rules = contract.availability

    def clause(*keys: str) -> str:
        found = next((contract.clauses[key] for key in keys if key in contract.clauses), "")
        return say.clause(found) if found else ""

    how = [[_unit(judged, say), clause("unit", "availability")]]
    if rules.denominator == "fixed":
        base = say("m_fixed", length=say.span(rules.fixed_ms or 0))
    else:
        base = say(f"m_{rules.denominator}")
    how.append([base, clause("denominator", "availability")])
    how.append([say("m_outage"), ""])
    how.append([say("m_confirm", n=rules.confirm) if rules.confirm > 1 else say("m_confirm_one"), ""])
    outcomes = ", ".join(sorted(say.outcome(name) for name in rules.counted_outcomes))
    how.append([say("m_outcomes", outcomes=outcomes), clause("counted_outcomes", "availability")])
    holds = sorted({target.hold_ms for target in targets})
    if holds:
        hold = f" {say('or')} ".join(say.span(hold) for hold in holds)
        how.append([say("m_hold_many" if len(holds) > 1 else "m_hold", hold=hold), ""])
    how.append([say("m_unknown"), ""])
    if rules.counts_from == "report":
        how.append([say("m_report"), clause("counts_from", "availability")])
    quorum = rules.quorum
    how.append([say("m_quorum", quorum=quorum if isinstance(quorum, int) else say(f"m_quorum_{quorum}")), ""])
    how += _maintenance(judged, say, clause("maintenance"))
    reasons = ", ".join(map(say.reason, contract.exclusions)) or say("none")
    how.append([say("m_exclusions", reasons=reasons), clause("exclusions")])
    if judged.holidays:
        how.append([say("m_holidays", version=judged.holidays), ""])
    return how


def _unit(judged: Evaluation, say: Speaker) -> str:
    rules = judged.terms.contract.availability
    if rules.unit != "minute":
        return say(f"m_unit_{rules.unit}")
    return say("m_unit_minute", mode=say(f"m_mode_{rules.round.mode}"), apply=say(f"m_apply_{rules.round.apply}"))


def _maintenance(judged: Evaluation, say: Speaker, clause: str) -> list[list[str]]:
    terms = judged.terms.contract.maintenance
    how = [
        [
            say("m_maintenance", scheduled=say(f"m_{terms.scheduled}"), emergency=say(f"m_{terms.emergency}")),
            clause,
        ]
    ]
    if terms.notice_ms is not None:
        how.append([say("m_notice", notice=say.span(terms.notice_ms)), clause])
    if terms.always_counted:
        how.append([say("m_always", services=", ".join(map(say.service, terms.always_counted))), clause])
    return how
