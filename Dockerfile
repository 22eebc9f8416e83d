# pdn_ros in a container, for x86-64 and arm64:
#
#   docker build -t pdn_ros --build-arg ROS_DISTRO=jazzy .
#   docker run --rm --network host --shm-size 256m pdn_ros \
#     ros2 launch pdn_ros perception.launch.py image:=/camera/image_raw
#
# With an NVIDIA GPU: --build-arg TORCH_INDEX=https://pypi.org/simple, and docker run --gpus all.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /workspace

# What changes seldom comes first, so that a change of the sources builds nothing of it again.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt .
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python3 -m venv --system-site-packages venv \
    && touch venv/COLCON_IGNORE \
    && venv/bin/pip install --no-cache-dir --index-url "${TORCH_INDEX}" "$(grep '^torch' requirements.txt)" \
    && venv/bin/pip install --no-cache-dir -r requirements.txt

COPY package.xml src/pdn_ros/
RUN apt-get update \
    && rosdep update --rosdistro "${ROS_DISTRO}" \
    && DEBIAN_FRONTEND=noninteractive rosdep install --from-paths src --ignore-src --yes \
        --dependency-types build --dependency-types buildtool --dependency-types exec \
    && rm -rf /var/lib/apt/lists/*

COPY . src/pdn_ros
RUN source "/opt/ros/${ROS_DISTRO}/setup.bash" \
    && source venv/bin/activate \
    && python3 -m colcon build --packages-select pdn_ros --cmake-args -DBUILD_TESTING=OFF \
    && rm -rf build log

RUN sed -i '/^exec /i source /workspace/install/setup.bash --' /ros_entrypoint.sh
CMD ["ros2", "launch", "pdn_ros", "perception.launch.py", "--show-args"]
