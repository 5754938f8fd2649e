"""The CDK app: what Tidemill deploys. Stacks compose, constructs own, `app.py` chooses arguments."""

import sys
from pathlib import Path

# The library of this very checkout, which is what the core layer ships; installed or not, here or elsewhere.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "layers" / "core" / "python"))
