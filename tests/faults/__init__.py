"""Faults on purpose, over the real service: who did nothing keeps its socket, who is hit is told, and it goes on.

`kinds.py` lists the faults, `suite.py` repeats them (`make faults`), `soak.py` lets clients come and go (`make soak`).
"""
