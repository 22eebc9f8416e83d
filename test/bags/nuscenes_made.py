"""A tiny scene in nuScenes' layout: two keyframes of two cameras, a LiDAR and a radar."""

import json

import numpy as np
from PIL import Image

SIZE = (64, 48)
K = [[50.0, 0.0, 31.5], [0.0, 50.0, 23.5], [0.0, 0.0, 1.0]]
FORWARD = [0.5, -0.5, 0.5, -0.5]  # an optical frame on a vehicle that looks ahead
LEFT = [np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]  # as nuScenes' LiDAR: y ahead
FIRST_US = 1_500_000_000_000_000
OFFSETS_US = {"LIDAR_TOP": 0, "CAM_FRONT": -38_000, "CAM_FRONT_LEFT": -46_000, "RADAR_FRONT": -9000}
MODALITY = {"LIDAR": "lidar", "CAM": "camera", "RADAR": "radar"}
CATEGORIES = ("vehicle.car", "movable_object.barrier", "vehicle.bicycle", "human.pedestrian.adult")
AHEAD_M = (10.0, 8.0, 12.0, 9.0)


def make(root):
    """Write the scene; the vehicle drives along the global y axis at 10 m/s, nose down a little."""
    rng = np.random.default_rng(5)
    tables = {
        "scene": [{"token": "scene", "name": "scene-0001", "log_token": ""}],
        "sample": [],
        "sensor": [],
        "calibrated_sensor": [],
        "ego_pose": [],
        "sample_data": [],
        "category": [{"token": f"c{i}", "name": name} for i, name in enumerate(CATEGORIES)],
        "instance": [{"token": f"i{i}", "category_token": f"c{i}"} for i in range(4)],
        "sample_annotation": [],
    }
    for i, channel in enumerate(OFFSETS_US):
        camera = channel.startswith("CAM")
        tables["sensor"].append(
            {"token": f"s{i}", "channel": channel, "modality": MODALITY[channel.split("_")[0]]}
        )
        tables["calibrated_sensor"].append(
            {
                "token": f"m{i}",
                "sensor_token": f"s{i}",
                "translation": [1.0 + 0.1 * i, 0.2 * i, 1.8],
                "rotation": FORWARD if camera else LEFT,
                "camera_intrinsic": K if camera else [],
            }
        )
        (root / "samples" / channel).mkdir(parents=True)
    turn = np.array([np.cos(np.pi / 4), 0.0, 0.01, np.sin(np.pi / 4)])
    for n in range(2):
        tables["sample"].append({"token": f"n{n}", "scene_token": "scene", "next": ""})
        for i, (channel, offset) in enumerate(OFFSETS_US.items()):
            time = FIRST_US + 500_000 * n + offset
            token = f"d{n}{i}"
            camera, lidar = channel.startswith("CAM"), channel.startswith("LIDAR")
            name = f"samples/{channel}/{n}.{'jpg' if camera else 'pcd.bin'}"
            tables["ego_pose"].append(
                {
                    "token": token,
                    "timestamp": time,
                    "translation": [400.0, 900.0 + 1e-5 * (time - FIRST_US), 0.0],
                    "rotation": (turn / np.linalg.norm(turn)).tolist(),
                }
            )
            tables["sample_data"].append(
                {
                    "token": token,
                    "sample_token": f"n{n}",
                    "ego_pose_token": token,
                    "calibrated_sensor_token": f"m{i}",
                    "timestamp": time,
                    "is_key_frame": True,
                    "width": SIZE[0] if camera else 0,
                    "height": SIZE[1] if camera else 0,
                    "filename": name,
                    "prev": "",
                }
            )
            if camera:
                pixels = rng.integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / name)
            elif lidar:
                points = rng.uniform(-1, 1, (500, 5)) * [4, 14, 2, 0, 0]
                points[:, 3:] = rng.integers(0, [255, 32], (500, 2))
                points.astype("<f4").tofile(root / name)
        for i, ahead in enumerate(AHEAD_M):
            tables["sample_annotation"].append(
                {
                    "token": f"a{n}{i}",
                    "sample_token": f"n{n}",
                    "instance_token": f"i{i}",
                    "visibility_token": "1" if i == 3 else "4",
                    "translation": [399.0 + i, 900.0 + 5 * n + ahead, 0.8],
                    "size": [1.8, 4.2, 1.6],
                    "rotation": LEFT,
                    "num_lidar_pts": 0 if i == 2 else 7,
                    "num_radar_pts": 0,
                }
            )
    (root / "v1.0-mini").mkdir()
    for name, records in tables.items():
        (root / "v1.0-mini" / f"{name}.json").write_text(json.dumps(records))
    return root
