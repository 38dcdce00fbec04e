"""What leaves a recording as other files: .ply for each step, a film. Decodes here, draws here; knows no server."""
