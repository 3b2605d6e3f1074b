"""What both services must agree on, and nothing else: entries, events, the log, the view."""
