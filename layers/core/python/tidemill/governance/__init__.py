"""Stage `governance`: who did what, when and why, written in the same transaction as the change itself."""
