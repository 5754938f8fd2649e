"""JSON text without blanks, by one encoder that is made once: `json.dumps` would make one for each call."""

import json

text = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
