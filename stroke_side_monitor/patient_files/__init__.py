"""What is kept of a patient on disk, and only if asked: baseline, session record."""
