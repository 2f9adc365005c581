"""Pages and API. Given a reader, never a writer."""
