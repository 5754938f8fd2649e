"""Personal data in uploads: found, told without being repeated, and masked. Pure functions over Arrow and text."""

from tidemill.data.personal.findings import KINDS, Finding
from tidemill.data.personal.masking import mask_batch
from tidemill.data.personal.scanner import Scanner, names
from tidemill.data.personal.texts import mask_text

__all__ = ["KINDS", "Finding", "Scanner", "mask_batch", "mask_text", "names"]
