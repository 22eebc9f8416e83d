"""Make runs/simulated: labelled frames of simulated drives, at seeds that no evaluation uses."""

from pathlib import Path

from pdn_ros.simulation import DriveConfig, sample_drives, write_folder

OUT = Path("runs/simulated")
SCENES = ("street", "boulevard", "village")
FIRST_SEED, DRIVES = 1000, 16
EVERY = 20
"""Frames between two samples of a drive."""


def drive(index: int) -> DriveConfig:
    """Scenes take turns; every third drive is seen by a larger camera."""
    width, height = (1920, 1080) if index % 3 == 2 else (1280, 720)
    scene = SCENES[(index + index // 3) % 3]
    return DriveConfig(seed=FIRST_SEED + index, scene=scene, width=width, height=height)


if __name__ == "__main__":
    for index in range(DRIVES):
        count = write_folder(sample_drives([drive(index)], EVERY), OUT)
        print(f"drive {index + 1} of {DRIVES}: {count} frames")
