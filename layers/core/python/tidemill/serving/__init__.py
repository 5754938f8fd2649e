"""Stage `serving`: requests become predictions, captured; late outcomes come back."""
