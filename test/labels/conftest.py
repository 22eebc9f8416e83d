"""A class file, and the import into a folder of the test's own."""

from pathlib import Path

import pytest
import yaml
from labeled_field import CLASSES

from pdn_ros.labels.importing import import_labels


@pytest.fixture
def class_file(tmp_path) -> Path:
    path = tmp_path / "field.yaml"
    path.write_text(yaml.safe_dump(CLASSES))
    return path


@pytest.fixture
def take(tmp_path):
    """Import labels into a folder of the test's own; returns what `import_labels` does."""

    def run(kind, path, **options):
        out = options.pop("out", tmp_path / "made")
        return import_labels(kind, path, out, report=lambda done, total: None, **options)

    return run
