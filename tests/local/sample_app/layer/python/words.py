"""What the sample function imports from its layer."""

WORD = "tide"
