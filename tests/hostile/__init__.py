"""Input that means harm: pictures and messages made by programs, mutations of them, and what once broke something."""
