"""The tables of nuScenes (Caesar et al., CVPR 2020): JSON lists of records with tokens."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, FiniteFloat, ValidationError, model_validator
from typing_extensions import Self

from pdn_ros.errors import InputError
from pdn_ros.messages.transforms import from_quaternion

Vector: TypeAlias = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
Quaternion: TypeAlias = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class TableRow(BaseModel):
    """A record of a table; fields that nobody here needs are left out."""

    table: ClassVar[str]
    token: str


AnyRow = TypeVar("AnyRow", bound=TableRow)


class SceneRow(TableRow):
    """Twenty seconds of a drive."""

    table = "scene"
    name: str


class SampleRow(TableRow):
    """A keyframe of all sensors."""

    table = "sample"
    scene_token: str


class SampleDataRow(TableRow):
    """One file of a sensor; `timestamp` in microseconds, `filename` relative to the root."""

    table = "sample_data"
    sample_token: str
    ego_pose_token: str
    calibrated_sensor_token: str
    timestamp: Annotated[int, Field(ge=0, lt=2**31 * 10**6)]  # what a ROS stamp can hold
    is_key_frame: bool
    width: int
    height: int
    filename: str


class PosedRow(TableRow):
    """A record with a place: meters, and the quaternion w, x, y, z."""

    translation: Vector
    rotation: Quaternion

    @model_validator(mode="after")
    def _is_rigid(self) -> Self:
        _ = self.matrix
        return self

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The pose, (4, 4)."""
        w, x, y, z = self.rotation
        return from_quaternion(self.translation, (x, y, z, w))


class EgoPoseRow(PosedRow):
    """The vehicle in the global frame."""

    table = "ego_pose"


class CalibratedSensorRow(PosedRow):
    """A sensor on the vehicle; a camera has its matrix (3, 3)."""

    table = "calibrated_sensor"
    sensor_token: str
    camera_intrinsic: list[Vector]


class SensorRow(TableRow):
    """`channel` such as CAM_FRONT; `modality`: camera, lidar or radar."""

    table = "sensor"
    channel: str
    modality: str


class SampleAnnotationRow(PosedRow):
    """A box in the global frame at a keyframe; `size`: width, length, height in meters.

    `visibility_token`: "1" for 0 to 40 %, "2" to 60 %, "3" to 80 %, "4" to 100 %.
    """

    table = "sample_annotation"
    sample_token: str
    instance_token: str
    visibility_token: str = ""
    size: Vector
    num_lidar_pts: int
    num_radar_pts: int


class InstanceRow(TableRow):
    """An object through all of its annotations."""

    table = "instance"
    category_token: str


class CategoryRow(TableRow):
    """A class, such as vehicle.car."""

    table = "category"
    name: str


def read(
    folder: Path, kind: type[AnyRow], field: str = "", among: Collection[str] = ()
) -> dict[str, AnyRow]:
    """Return a table's records by token, those alone whose `field` is one of `among`.

    Raises:
        InputError: The table is absent or damaged, or a record that is wanted lacks something.
    """
    path = folder / f"{kind.table}.json"
    try:
        records = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: nuScenes has this table") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON ({error}): download it again") from error
    if not isinstance(records, list):
        raise InputError(f"{path}: no list of records: download it again")
    rows = {}
    for number, record in enumerate(records):
        if field and isinstance(record, dict) and str(record.get(field)) not in among:
            continue
        try:
            row = kind.model_validate(record)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the record"
            raise InputError(f"{path}: record {number}: {where}: {first['msg']}") from error
        rows[row.token] = row
    return rows
