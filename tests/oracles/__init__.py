"""Judges of our files that share no code with us: Spark and splat-transform in node, and plain arithmetic."""
