"""The `tidemill` command: a client of a deployment, on AWS and on the embedded cloud alike."""
