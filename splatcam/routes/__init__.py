"""HTTP routes, one file per capability. Only these and stream_server.py know FastAPI."""
