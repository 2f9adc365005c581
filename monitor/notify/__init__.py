"""Messages out: what is wrong becomes conditions, conditions become messages, and those wait until delivered."""
