"""Programs of containers, as `functions/` has those of Lambda: parse, wire, one call."""
