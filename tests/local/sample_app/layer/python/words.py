WORD = "tide"
