"""The page's one Django application: cases, who may see them, and what was said of them.

It measures nothing itself.
"""
