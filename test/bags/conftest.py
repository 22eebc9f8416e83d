"""The recorded KITTI drive, where it is beside this checkout."""

import pytest

DRIVE = "kitti_raw/2011_09_26/2011_09_26_drive_0005_sync"


@pytest.fixture(scope="module")
def drive(shared_data):
    path = shared_data / DRIVE
    if not path.is_dir():
        pytest.skip("the KITTI drive is not beside this checkout")
    return path
