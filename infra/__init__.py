"""The CDK app: what Tidemill deploys. Stacks compose, constructs own, `app.py` chooses arguments."""
