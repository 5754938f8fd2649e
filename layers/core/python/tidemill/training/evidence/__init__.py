"""What is known of a candidate before it is registered: one subject a module, pure functions of arrays."""
