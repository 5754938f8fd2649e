"""Adapters: what the ports promise, kept by AWS (also the embedded one) or by memory for tests."""
