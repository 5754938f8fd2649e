"""Pages for people: elements of HTML and SVG, and the one style sheet. Nothing is fetched from elsewhere."""
