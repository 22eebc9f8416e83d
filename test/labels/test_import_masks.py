"""Masks as other programs write them, in colors or in ids."""

import numpy as np
import pytest
import yaml
from labeled_field import HEIGHT, WIDTH, read_png, scene, write_images, write_masks
from PIL import Image

from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError


def test_color_masks_become_a_data_set(tmp_path, take):
    write_images(tmp_path / "images", "01_image.png", "02_image.png", "03_image.png")
    write_masks(tmp_path / "annotations", "01_annotation.png", "02_annotation.png")
    write_masks(tmp_path / "masks", "01_mask.png")  # another kind of label
    (tmp_path / "annotations/01_annotation.yaml").write_text("plants: []\n")
    made = take("colors", tmp_path / "annotations")
    out = tmp_path / "made"
    assert sorted(str(f.relative_to(out)) for f in out.rglob("*.*")) == [
        "classes.yaml",
        "dataset.yaml",
        "images/01_image.png",
        "images/02_image.png",
        "labels/01_image.png",
        "labels/02_image.png",
    ]
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]
    classes = load_classes(out / "classes.yaml")
    assert classes == made.classes
    # By frequency: the first one is the background; void was black here, a color like others.
    assert classes.names == ("background", "green", "red", "black")
    assert [c.color for c in classes.classes][:2] == [(90, 60, 30), (0, 255, 0)]
    assert yaml.safe_load((out / "dataset.yaml").read_text()) == {
        "name": "made",
        "classes": list(classes.names),
    }
    expected = np.array([0, 1, 2, *[9] * 252, 3], dtype=np.uint8)[scene()]
    np.testing.assert_array_equal(read_png(out / "labels/01_image.png"), expected)
    assert made.shares[1] == pytest.approx((expected == 1).mean())
    assert (out / "images/01_image.png").samefile(tmp_path / "images/01_image.png")


def test_color_masks_with_a_class_file(tmp_path, take, class_file):
    write_images(tmp_path / "images", "a.jpg")
    write_masks(tmp_path / "masks", "a.png")
    with pytest.raises(InputError, match=r"a\.png: pixel x=0 y=20: color 0,0,0 .*#000000"):
        take("colors", tmp_path / "masks", classes=class_file)
    assert not (tmp_path / "made").exists()
    take("colors", tmp_path / "masks", classes=class_file, void=("#000000",))
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), scene())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nsoil:90,60,30::\ncrop:0,255,0::\n"
         "Traffic Light:255,0,0::\nvoid:0,0,0::\n"),
        ("label_colors.txt", "90 60 30\tsoil\n0 255 0\tcrop\n255 0 0\ttraffic light\n0 0 0\tVoid"),
        ("class_dict.csv", "name,r,g,b\nsoil,90,60,30\ncrop,0,255,0\ntraffic-light,255,0,0\n"
         "void,0,0,0\n"),
    ],
)  # fmt: skip
def test_tables_of_colors(tmp_path, take, class_file, name, text):
    write_images(tmp_path / "images", "a.jpg")
    write_masks(tmp_path / "masks", "a.png")
    (tmp_path / "masks" / name).write_text(text)
    take("colors", tmp_path / "masks", classes=class_file)
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), scene())


def test_smoothed_masks_are_refused(tmp_path, take):
    write_images(tmp_path / "images", "a.png")
    (tmp_path / "masks").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "masks/a.png")
    with pytest.raises(InputError, match=r"a\.png: 76\d colors so far, more than 64"):
        take("colors", tmp_path / "masks")


def test_voc_palette_masks(tmp_path, take, class_file):
    write_images(tmp_path / "JPEGImages", "a.jpg")
    (tmp_path / "SegmentationClass").mkdir()
    picture = Image.fromarray(scene())
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(tmp_path / "SegmentationClass/a.png")
    take("voc", tmp_path, classes=class_file)
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), scene())
    made = take("voc", tmp_path, out=tmp_path / "named")
    assert made.classes.names == ("background", "class_1", "class_2")
    (tmp_path / "labelmap.txt").write_text("crop:1,1,1::\nsoil:2,2,2::\n")
    with pytest.raises(InputError, match=r"a\.png: pixel x=10 y=8: value 2 has no name"):
        take("voc", tmp_path, out=tmp_path / "short")


def test_masks_of_ids_are_no_colors_and_deep_ones_no_ids(tmp_path, take):
    write_images(tmp_path / "images", "a.jpg")
    (tmp_path / "masks").mkdir()
    Image.fromarray(scene() % 255).save(tmp_path / "masks/a.png")
    with pytest.raises(InputError, match="masks: gray values up to 2 look like ids"):
        take("colors", tmp_path / "masks")
    assert take("voc", tmp_path / "masks").classes.names == ("background", "class_1", "class_2")
    Image.fromarray(scene().astype(np.uint16)).save(tmp_path / "masks/a.png")
    with pytest.raises(InputError, match=r"a\.png: label of mode I;16"):
        take("voc", tmp_path / "masks", out=tmp_path / "deep")


def test_voc_colors_that_the_table_leaves_out(tmp_path, take, class_file):
    write_images(tmp_path / "JPEGImages", "a.jpg")
    (tmp_path / "SegmentationClass").mkdir()
    # VOC's colors of 0, 1, 2 and 3.
    colors = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]], dtype=np.uint8)
    label = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 4
    Image.fromarray(colors[label]).save(tmp_path / "SegmentationClass/a.png")
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:::\nsoil:::\ncrop:::\ntraffic light:::\n"
    )
    take("voc", tmp_path, classes=class_file)
    expected = np.array([255, 0, 1, 2])[label]
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), expected)


def test_labels_without_a_labeled_pixel_are_refused(tmp_path, take, class_file):
    write_images(tmp_path / "images", "a.jpg")
    write_masks(tmp_path / "masks", "a.png")
    everything = ("soil", "crop", "traffic light", "#000000")
    with pytest.raises(InputError, match="every pixel is void"):
        take("colors", tmp_path / "masks", classes=class_file, void=everything)
    assert not (tmp_path / "made").exists()


def test_voc_masks_in_color_as_cvat_writes_them(tmp_path, take, class_file):
    write_images(tmp_path / "JPEGImages", "a.jpg")
    write_masks(tmp_path / "SegmentationClass", "a.png")
    (tmp_path / "labelmap.txt").write_text(
        "background:0,0,0::\ncrop:0,255,0::\nsoil:90,60,30::\ntraffic light:255,0,0::\n"
    )
    take("voc", tmp_path, classes=class_file)
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), scene())
