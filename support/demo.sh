#!/usr/bin/env bash
# make demo [BAG=path | KITTI=drive]: a drive through the running node, and a report about it.
set -euo pipefail

bag=${BAG:-}
if [[ -n ${KITTI:-} ]]; then
    bag=demo/kitti
    pdn convert kitti "$KITTI" --out "$bag"
elif [[ -z $bag ]]; then
    bag=demo/drive
    pdn simulate --out "$bag" --seconds 20
fi
pdn evaluate "$bag" --out demo/report --live

echo
echo "Drive:   $bag"
echo "Report:  $PWD/demo/report/report.html (open it in a browser)"
echo "Figures: demo/report/metrics.json, demo/report/frames.csv"
echo "Outputs: demo/report/outputs (rosbag2, for RViz or Foxglove)"
