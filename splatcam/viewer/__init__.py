"""The orbit viewer as a library: pictures drawn here, walked around in any browser.

from splatcam.viewer import view_gaussians
view_gaussians(gaussians)
"""

from splatcam.viewer.live import LiveGaussianViewer, view_gaussians, view_live_gaussians
from splatcam.viewer.radiance_field import view_nerf
from splatcam.viewer.viewer import Viewer

__all__ = ["LiveGaussianViewer", "Viewer", "view_gaussians", "view_live_gaussians", "view_nerf"]
