"""A Python execution environment of Lambda: the child process and its parent side."""
