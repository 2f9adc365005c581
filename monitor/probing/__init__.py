"""From a slot to an observation: which probe is due, what was missed and why, and whose fault a failure is."""
