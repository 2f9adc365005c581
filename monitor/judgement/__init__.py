"""The one judgement that metrics, pages, messages, reports, claims and proofs read."""
