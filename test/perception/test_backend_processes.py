"""Backends in processes of their own: fresh home, lesser processors, folders that take nothing."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pdn_ros
from pdn_ros.machine import instruction_sets
from pdn_ros.perception.backends import available

pytestmark = pytest.mark.skipif("openvino" not in available(), reason="OpenVINO is not installed")

SEGMENT = """
import json, logging, resource, sys
events = []
WATCHED = ("socket.", "subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.system")
sys.addaudithook(lambda name, args: name.startswith(WATCHED) and events.append(name))
logging.basicConfig(level=logging.WARNING)

import torch
from pdn_ros.network import Options, PatchDriveNet, predict
from pdn_ros.perception.backends import load_parts
from pdn_ros.perception.backends.accuracy import street_image

before = len(events), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
net, image = PatchDriveNet.load(), street_image()
parts = load_parts(sys.argv[1], net, "cpu", precision=sys.argv[2])
with torch.inference_mode():
    mine, theirs = (predict(p, net.config, image, Options()).mask for p in (parts, net))
after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({
    "backend": parts.backend, "precision": parts.precision, "fallback": parts.fallback,
    "agreement": (mine == theirs).mean(), "events": events[before[0]:], "child": after - before[1],
}))
"""  # fmt: skip


def segment(
    backend: str = "auto", precision: str = "auto", around: tuple[str, ...] = (), **variables: str
) -> dict:
    """What a process says that segments the image that ships; `err` is what it logs."""
    command = [*around, sys.executable, "-c", SEGMENT, backend, precision]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "err": done.stderr}


def test_the_first_build_speaks_to_nobody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    found = segment("openvino", HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"))
    assert found["events"] == [] and found["child"] == 0
    assert {path.name for path in home.iterdir()} <= {".cache"}
    assert list(home.rglob("model.xml")), "nothing was built"


PROCESSORS = {
    "AVX2": ("avx2", "float32"),
    "AVX512_CORE": ("avx512f", "float32"),
    "AVX512_CORE_VNNI": ("avx512_vnni", "float32"),
    "AVX512_CORE_BF16": ("avx512_bf16", "bfloat16"),
    "AVX512_CORE_AMX": ("amx_bf16", "bfloat16"),
}
"""The most that OpenVINO may use, what the processor needs for it, what `auto` then computes in."""
TORCH = {"AVX2": "avx2"}


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory) -> Path:
    """Models built under one instruction set run under the others."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("most", PROCESSORS)
def test_the_default_on_a_lesser_processor(one_cache: Path, most: str) -> None:
    needed, precision = PROCESSORS[most]
    if needed not in instruction_sets():
        pytest.skip(f"this processor has no {needed}")
    found = segment(
        XDG_CACHE_HOME=str(one_cache),
        OV_CPU_MAX_ISA=most,  # OpenVINO; the other two are torch's
        ONEDNN_MAX_CPU_ISA=most,
        ATEN_CPU_CAPABILITY=TORCH.get(most, "avx512"),
    )
    assert (found["backend"], found["precision"]) == ("openvino", precision)
    assert found["fallback"] == found["err"] == ""
    assert found["agreement"] > (0.97 if precision == "bfloat16" else 0.998)


@pytest.mark.parametrize(
    ("options", "reason"),
    [("ro", "Read-only file system"), ("size=64k", "not written, 0 MiB free")],
)
def test_a_cache_on_a_read_only_or_full_disk(tmp_path: Path, options: str, reason: str) -> None:
    mount = f'mount -t tmpfs -o {options} cache {tmp_path} && exec "$@"'
    around = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "")
    if not shutil.which("unshare") or subprocess.run([*around, "true"]).returncode:
        pytest.skip("no file system can be mounted here, not even in a namespace")
    found = segment(around=around, XDG_CACHE_HOME=str(tmp_path))
    assert found["backend"] == "openvino" and found["fallback"] == ""
    assert found["agreement"] > 0.97
    assert found["err"].count("models stay in memory") == 2  # context and refinement
    assert reason in found["err"] and str(tmp_path) in found["err"]


def test_openvino_is_imported_in_one_place() -> None:
    package = Path(pdn_ros.__file__).parent
    importing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported(node)
        if name.partition(".")[0] == "openvino"
    }
    assert importing == {"perception/backends/openvino.py"}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
