"""What is live: one client's `session` (`live_pictures` for one that draws nothing itself), one camera's `streams`, and
the rules between them: what a link carries, what a client gets. Knows no web framework and no torch.
"""
