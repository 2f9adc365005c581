"""The clock that starts with a report: a mail to the provider when an outage is confirmed."""
