"""What providers publish: status pages and calendars."""
