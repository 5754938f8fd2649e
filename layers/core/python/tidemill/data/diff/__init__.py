"""What changed from one dataset version to another: files, columns, rows, distributions (`versions_diff`)."""
