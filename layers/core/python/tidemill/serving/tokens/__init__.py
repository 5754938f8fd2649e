"""API tokens: what they look like, what they open, how they are made, changed and counted."""
