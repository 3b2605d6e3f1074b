"""What both services' HTTP interfaces share: problems, tokens, bodies, the endpoint table, health."""
