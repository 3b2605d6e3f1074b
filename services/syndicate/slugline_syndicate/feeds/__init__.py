"""Feeds: windows of blogs, rendered per event as RSS and Atom, served as cached bytes."""
