"""Live 3D Gaussians from an ordinary camera. Importing this package loads nothing heavy."""

__version__ = "0.1.0"
