"""One module per group of commands: parse, one call, show."""
