"""Names of a rig's topics."""


def of_camera(camera: str, name: str) -> str:
    """Return the name of a camera's topic: behind the camera's own, if it has one."""
    return f"{camera}/{name}" if camera else name
