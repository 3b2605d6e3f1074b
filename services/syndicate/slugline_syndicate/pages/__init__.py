"""Pages: the blogs, for people."""
