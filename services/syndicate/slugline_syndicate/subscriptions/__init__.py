"""The subscriptions API: what is wanted, by whom, and what became of it."""
