"""The `slugline` command, which wires the services to an engine of the log."""
