"""Syndicate: turns the log into feeds, pages and signed webhooks."""
