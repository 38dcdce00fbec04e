"""How the built-in model's weights are made: scenes from code, a network, its training and its examination.

No part of the installed package. Flow: a seed → `sampling` (a scene as a table of primitives) → `raycast` (depth) →
`shading` (light and colours) → `camera` (what a webcam makes of it) → `losses` → `train` → `export` → `evaluate`.
"""
