"""Taking over what other monitors know: their targets, and what they measured."""
