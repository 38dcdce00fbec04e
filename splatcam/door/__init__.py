"""Who comes in, and how the service listens and ends: links and tokens, places, certificates, the server itself.

A connection meets `serving` and `guarded_protocols` first, then `access`, then `admission`. Knows no frame, no session.
"""
