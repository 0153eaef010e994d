"""The answer of `drystep fit`: one screen, markdown, and a page."""
