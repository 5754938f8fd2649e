"""Stage `data`: an upload becomes an immutable, validated dataset version, or is quarantined with a reason."""
