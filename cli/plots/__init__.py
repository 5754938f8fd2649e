"""Plots as HTML and inline SVG, without a plotting library: for pages that are one file and fetch nothing."""
