"""The quality gate: which rows, files and batches follow the rules, and what is wrong with the others."""
