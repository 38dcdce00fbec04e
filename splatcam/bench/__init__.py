"""Measuring: recorded frames against the code that serves."""
