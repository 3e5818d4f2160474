"""Things drawn before healthy faces: what hides a mouth, and what only looks as if it did."""
