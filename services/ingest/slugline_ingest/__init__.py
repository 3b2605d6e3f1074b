"""Ingest: turns live-blog documents and pushed entries into entry events on the log."""
