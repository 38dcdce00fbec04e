"""The viewer with its page: `Viewer(lambda camera: my_picture_of(camera)).serve()`."""

from __future__ import annotations

from splatcam.rendering.orbit_pictures import OrbitPictures
from splatcam.routes.viewer_app import serve

HOST = "127.0.0.1"
PORT = 8090


class Viewer(OrbitPictures):
    """One scene, or whatever `render_fn` draws: see OrbitPictures. Every method may be called from any thread."""

    def serve(self, host: str = HOST, port: int = PORT, open_browser: bool = True) -> None:
        """The page at http://host:port, until Ctrl-C. Raises CannotListen, in one sentence."""
        serve(self, host, port, open_browser)
