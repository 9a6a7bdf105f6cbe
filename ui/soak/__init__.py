"""``duet soak``: whether a show stays as it is for hours."""
