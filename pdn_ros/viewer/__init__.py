"""Images, masks, patches, scans and grids in rerun's viewer: recorded and of a running node.

Rerun is optional; importing this package without it says how to install it.
"""

from pdn_ros.errors import InputError

try:
    import rerun
except ImportError as error:
    raise InputError(
        f"needs the viewer rerun, which cannot be imported ({error}): pip install 'rerun-sdk>=0.39'"
    ) from error

rerun.set_strict_mode(True)  # what cannot be logged is an error, not a warning
