"""Tidemill: serverless MLOps for AWS. The library that every function of the platform shares.

Stage packages (`data`, `training`, `release`, `serving`, `monitoring`, `governance`) hold pure logic and use
cases; `ports` says what they need from the outside; `adapters` provides it. Imports point inward: a stage
package never imports an adapter, a handler, or boto3.
"""

__version__ = "0.1.0"
