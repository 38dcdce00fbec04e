"""A folder of pictures → a scene in several files, a film of it, and a list of what was made.

frames (what the folder holds) → estimate (pictures to Gaussians) → steps (what makes which file) → runner (what is
still to be done) → manifest (what there is) → stores (where else it goes).
"""
