"""Formats as other programs write them, made by hand."""

import base64
import io
import json

import numpy as np
import pytest
from labeled_field import HEIGHT, WIDTH, read_png, scene, write_images, write_masks
from PIL import Image

from pdn_ros.classes import ClassSet
from pdn_ros.errors import InputError
from pdn_ros.labels.rle import write_label_studio


def square(x, y, width, height):
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


def coco(segmentation, **more):
    return {
        "images": [{"id": 5, "file_name": "seq/a.jpg", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 3, "name": "crop"}, {"id": 8, "name": "Traffic light"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 8, "area": 9, "segmentation": segmentation},
            {"id": 2, "image_id": 5, "category_id": 3, "area": 99,
             "segmentation": [np.ravel(square(6, 4, 20, 16)).tolist()]},
            {"id": 3, "image_id": 5, "category_id": 3, "bbox": [0, 0, 5, 5]},
        ],
        **more,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["polygons", "runs", "compressed"])
def test_coco_instances(tmp_path, take, class_file, kind):
    write_images(tmp_path / "images/seq", "a.jpg")
    # The columns 10 and 11, rows 8 to 13, of 24 rows.
    code = {
        "polygons": [np.ravel(square(10, 8, 2, 6)).tolist()],
        "runs": {"size": [HEIGHT, WIDTH], "counts": [248, 6, 18, 6, 490]},
        "compressed": {"size": [HEIGHT, WIDTH], "counts": "h76b00h>"},
    }[kind]
    (tmp_path / "annotations").mkdir()
    file = tmp_path / "annotations/instances.json"
    file.write_text(json.dumps(coco(code)))
    made = take("coco", file, classes=class_file)
    expected = np.full((HEIGHT, WIDTH), 255)  # no class `background` in the class file
    expected[4:20, 6:26] = 1
    expected[8:14, 10:12] = 2  # the smaller one on top
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), expected)
    assert made.notes == ("1 boxes, lines and points have no mask: left out",)
    made = take("coco", file, out=tmp_path / "found")
    assert made.classes.names == ("crop", "traffic_light", "background")


def test_coco_panoptic(tmp_path, take, class_file):
    write_images(tmp_path / "images", "a.jpg")
    (tmp_path / "panoptic").mkdir()
    segments = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    label = scene()
    segments[label == 0] = (3, 2, 1)  # id = R + 256 G + 65536 B
    segments[label == 1] = (0, 1, 0)
    segments[label == 2] = (7, 0, 0)
    Image.fromarray(segments).save(tmp_path / "panoptic/a.png")
    info = [
        {"id": 3 + 2 * 256 + 65536, "category_id": 1},
        {"id": 256, "category_id": 2},
        {"id": 7, "category_id": 9},
    ]
    text = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": info}],
        "categories": [
            {"id": 1, "name": "soil"}, {"id": 2, "name": "crop"}, {"id": 9, "name": "traffic-light"}
        ],
    }  # fmt: skip
    (tmp_path / "panoptic.json").write_text(json.dumps(text))
    take("coco", tmp_path, classes=class_file)
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), label)
    text["annotations"][0]["segments_info"] = info[1:]
    (tmp_path / "panoptic.json").write_text(json.dumps(text))
    with pytest.raises(InputError, match=r"a\.png: pixel x=0 y=0: segment 66051 is not in"):
        take("coco", tmp_path, out=tmp_path / "again")


CVAT = """<annotations><version>1.1</version><meta><job><labels>
<label><name>crop</name><color>#00ff00</color></label><label><name>traffic_light</name></label>
</labels></job></meta>
<image id="0" name="front/a.jpg" width="32" height="24">
  <mask label="traffic_light" rle="1, 2, 2, 1" left="10" top="8" width="3" height="2" z_order="1"/>
  <polygon label="crop" points="6.00,4.00;26.00,4.00;26.00,20.00;6.00,20.00" z_order="0"/>
  <box label="crop" xtl="1" ytl="1" xbr="5" ybr="5" z_order="0"/>
</image>
<image id="1" name="front/b.jpg" width="32" height="24"/>
</annotations>"""


def test_cvat(tmp_path, take, class_file):
    write_images(tmp_path / "images/front", "a.jpg", "b.jpg")
    write_images(tmp_path / "images/rear", "a.jpg")
    file = tmp_path / "annotations.xml"
    file.write_text(CVAT)
    made = take("cvat", file, classes=class_file)
    expected = np.full((HEIGHT, WIDTH), 255)
    expected[4:20, 6:26] = 1
    expected[8, 11:13] = 2
    expected[9, 12] = 2
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), expected)
    assert (tmp_path / "made/images/a.jpg").samefile(tmp_path / "images/front/a.jpg")
    assert made.notes == (
        "1 boxes, lines and points have no mask: left out",
        "1 images without annotations are left out",
    )
    # Without a class file, colors of the task are kept.
    made = take("cvat", file, out=tmp_path / "found")
    assert made.classes.classes[0].color == (0, 255, 0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("1, 2, 2, 1", "1, 2, 2", "mask 0 (traffic_light): runs of 5 pixels where there are 6"),
        ('left="10"', 'left="30"', "mask 0 (traffic_light): mask of 3x2 pixels at x=30"),
        ('rle="1', 'rle="one', "mask 0 (traffic_light): could not convert"),
        ('rle="1', 'rle="1e999', "mask 0 (traffic_light): a number is not finite"),
        ('z_order="1"', 'z_order="top"', "image 'front/a.jpg': could not convert"),
        ('label="crop" points', 'label=" " points', "polygon 1 ( ): it has no name"),
        ('label="crop" points', 'label="weed" points', "polygon 1 (weed): class 'weed' is not in"),
        ('<image id="0"', '<image id="0" <', "not well-formed"),
        ("<annotations>", '<?xml version="1.0" encoding="u-8"?><annotations>', "unknown encoding"),
        ('width="32"', 'width="-1"', "image 'front/a.jpg': image of -1x24 pixels"),
        ("front/a.jpg", "c.jpg", "no image c.jpg below"),
    ],
)
def test_what_does_not_fit_is_one_line_with_its_place(tmp_path, take, class_file, old, new, words):
    write_images(tmp_path / "images/front", "a.jpg", "b.jpg")
    file = tmp_path / "annotations.xml"
    file.write_text(CVAT.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        take("cvat", file, classes=class_file)
    assert words in str(error.value)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)
    assert sorted(f.name for f in tmp_path.iterdir()) == [
        "annotations.xml", "field.yaml", "images"
    ]  # fmt: skip


def test_labelme(tmp_path, take, class_file):
    write_images(tmp_path / "set", "a.jpg", "b.jpg")
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 1, 1], [0, 0, 1]], dtype=np.uint8)).save(buffer, "PNG")
    shapes = [
        {"label": "crop", "shape_type": "rectangle", "points": [[6, 4], [26, 20]]},
        {"label": "traffic light", "shape_type": "mask", "points": [[10, 8], [12, 9]],
         "mask": base64.b64encode(buffer.getvalue()).decode()},
        {"label": "soil", "shape_type": "polygon", "points": square(0, 0, 32, 2)},
        {"label": "__ignore__", "points": square(0, 20, 5, 4)},
        {"label": "crop", "shape_type": "point", "points": [[1, 1]]},
    ]  # fmt: skip
    file = {"imagePath": "a.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, "imageData": None}
    (tmp_path / "set/a.json").write_text(json.dumps({"version": "5.4", "shapes": shapes, **file}))
    made = take("labelme", tmp_path / "set", classes=class_file)
    expected = np.full((HEIGHT, WIDTH), 255)
    expected[4:20, 6:26] = 1
    expected[8, 11:13] = 2
    expected[9, 12] = 2
    expected[:2] = 0
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), expected)
    assert made.notes == ("1 boxes, lines and points have no mask: left out",)


def test_an_image_turned_by_its_exif_data_is_labeled_upright(tmp_path, take, class_file):
    pixels = np.zeros((WIDTH, HEIGHT, 3), dtype=np.uint8)
    pixels[:, : HEIGHT // 2] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by viewers
    (tmp_path / "images").mkdir()
    Image.fromarray(pixels).save(tmp_path / "images/a.jpg", exif=exif, quality=95)
    write_masks(tmp_path / "masks", "a.png")
    take("colors", tmp_path / "masks", classes=class_file, void=("#000000",))
    with Image.open(tmp_path / "made/images/a.jpg") as image:
        assert image.size == (WIDTH, HEIGHT)
        assert image.getexif().get(0x0112, 1) == 1
        assert np.array(image)[2, 16, 0] > 190  # the left side came up
        assert np.array(image)[-3, 16, 0] < 10


def test_images_of_another_shape_are_refused(tmp_path, take):
    write_images(tmp_path / "images", "a.jpg", size=(WIDTH, WIDTH))
    write_masks(tmp_path / "masks", "a.png")
    with pytest.raises(InputError, match=r"a\.png: label of 32x24 pixels, but .*a\.jpg has 32x32"):
        take("colors", tmp_path / "masks")
    assert not (tmp_path / "made").exists()


def test_what_is_there_stays(tmp_path, take):
    write_images(tmp_path / "images", "a.jpg")
    write_masks(tmp_path / "masks", "a.png")
    (tmp_path / "made").mkdir()
    (tmp_path / "made/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        take("colors", tmp_path / "masks")
    assert (tmp_path / "made/notes.txt").read_text() == "mine"


def test_names_that_repeat_get_their_folder(tmp_path, take):
    for part in ("north", "south"):
        write_images(tmp_path / "images" / part, "a.jpg")
    text = CVAT.replace("front/a.jpg", "north/a.jpg").replace("front/b.jpg", "south/a.jpg")
    shape = '<polygon label="crop" points="0,0;9,0;9,9"/></image></annotations>'
    (tmp_path / "a.xml").write_text(text.replace("/>\n</annotations>", f">{shape}"))
    take("cvat", tmp_path / "a.xml")
    assert sorted(f.stem for f in (tmp_path / "made/labels").iterdir()) == ["north_a", "south_a"]


def test_names_that_repeat_in_deeper_folders(tmp_path, take):
    for part in ("north/left", "south/left"):
        write_images(tmp_path / "images" / part, "a.jpg")
    text = CVAT.replace("front/a.jpg", "north/left/a.jpg").replace("front/b", "south/left/a")
    shape = '<polygon label="crop" points="0,0;9,0;9,9"/></image></annotations>'
    (tmp_path / "a.xml").write_text(text.replace("/>\n</annotations>", f">{shape}"))
    take("cvat", tmp_path / "a.xml")
    made = sorted(f.stem for f in (tmp_path / "made/labels").iterdir())
    assert made == ["north_left_a", "south_left_a"]


def test_images_that_are_links_keep_their_names(tmp_path, take):
    write_images(tmp_path / "store", "0a1b2c.jpg")
    write_masks(tmp_path / "masks", "a.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").symlink_to(tmp_path / "store/0a1b2c.jpg")
    take("colors", tmp_path / "masks")
    assert (tmp_path / "made/images/a.jpg").samefile(tmp_path / "store/0a1b2c.jpg")
    assert not (tmp_path / "made/images/a.jpg").is_symlink()


def test_the_times_of_frames_are_kept(tmp_path, take):
    write_images(tmp_path / "images", "a.jpg")
    write_masks(tmp_path / "masks", "a.png")
    (tmp_path / "frames.csv").write_text("name,topic,stamp_ns\na,/image,5\n")
    take("colors", tmp_path / "masks")
    assert (tmp_path / "made/frames.csv").read_text().endswith("a,/image,5\n")


def test_made_classes_guess_roles_by_well_known_names(tmp_path, take):
    write_images(tmp_path / "images", "a.jpg")
    write_masks(tmp_path / "masks", "a.png")
    (tmp_path / "masks/labelmap.txt").write_text(
        "Road:90,60,30::\nPerson:0,255,0::\nsky:255,0,0::\nwall:0,0,0::\n"
    )
    classes = take("colors", tmp_path / "masks").classes
    assert isinstance(classes, ClassSet)
    assert [(c.name, str(c.role), c.thin) for c in classes.classes] == [
        ("road", "ground", False),
        ("person", "dynamic", True),
        ("sky", "sky", False),
        ("wall", "static", False),
    ]


def test_label_studio(tmp_path, take, class_file):
    write_images(tmp_path / "images", "field 1.jpg")
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    light = np.zeros((HEIGHT, WIDTH), dtype=bool)
    light[8:10, 10:12] = True
    result = [
        {"id": "p", "type": "polygonlabels", **size,
         "value": {"points": [[25, 25], [75, 25], [75, 75], [25, 75]], "polygonlabels": ["Crop"]}},
        {"id": "b", "type": "brushlabels", **size,
         "value": {"format": "rle", "rle": write_label_studio(light),
                   "brushlabels": ["traffic light"]}},
        {"id": "r", "type": "rectanglelabels", **size,
         "value": {"x": 1, "y": 1, "width": 9, "height": 9, "rectanglelabels": ["Crop"]}},
    ]  # fmt: skip
    tasks = [
        {"id": 7, "data": {"text": "no", "image": "/data/upload/1/0a1b2c3d-field%201.jpg"},
         "annotations": [{"result": []}, {"result": result},
                         {"result": result[:1], "was_cancelled": True}]},
    ]  # fmt: skip
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    made = take("labelstudio", tmp_path / "export.json", classes=class_file)
    expected = np.full((HEIGHT, WIDTH), 255)
    expected[6:18, 8:24] = 1
    expected[8:10, 10:12] = 2
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/field 1.png"), expected)
    assert made.notes == ("1 boxes, lines and points have no mask: left out",)
    result[1]["value"]["rle"] = result[1]["value"]["rle"][:-3]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    with pytest.raises(InputError, match=r"task 7: annotation b: brush: .* cut off"):
        take("labelstudio", tmp_path / "export.json", out=tmp_path / "again")


def test_cityscapes(tmp_path, take):
    for name in ("a", "b"):
        write_images(tmp_path / "leftImg8bit/train/ulm", f"ulm_{name}_leftImg8bit.png")
    labels = tmp_path / "gtFine/train/ulm"
    labels.mkdir(parents=True)
    ids = np.full((HEIGHT, WIDTH), 7, dtype=np.uint8)
    ids[:4], ids[4:6], ids[20:] = 23, 26, 9
    Image.fromarray(ids).save(labels / "ulm_a_gtFine_labelIds.png")
    objects = [
        {"label": "road", "polygon": square(0, 0, 32, 24)},
        {"label": "sky", "polygon": square(0, 0, 32, 4)},
        {"label": "cargroup", "polygon": square(0, 4, 32, 2)},
        {"label": "ego vehicle", "polygon": square(0, 20, 32, 4)},
    ]
    text = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}
    (labels / "ulm_b_gtFine_polygons.json").write_text(json.dumps(text))
    made = take("cityscapes", tmp_path / "gtFine", classes="street")
    names = [*made.classes.names, *["?"] * 255]
    for name in ("a", "b"):
        label = read_png(tmp_path / f"made/labels/ulm_{name}_leftImg8bit.png")
        assert [names[i] for i in label[[0, 5, 10], 3]] == ["sky", "vehicle", "road"]
        assert (label[20:] == 255).all()
    found = take("cityscapes", tmp_path / "gtFine", out=tmp_path / "found").classes.names
    assert found == ("road", "parking", "sky", "car")


def test_names_that_differ_only_in_case_are_one_class(tmp_path, take):
    write_images(tmp_path / "images", "a.jpg")
    write_masks(tmp_path / "masks", "a.png")
    (tmp_path / "masks/labelmap.txt").write_text(
        "Crop:90,60,30::\ncrop:0,255,0::\nno-till soil:255,0,0::\nvoid:0,0,0::\n"
    )
    assert take("colors", tmp_path / "masks").classes.names == ("crop", "no_till_soil")
    expected = np.array([0, 0, 1, *[9] * 252, 255], dtype=np.uint8)[scene()]
    np.testing.assert_array_equal(read_png(tmp_path / "made/labels/a.png"), expected)
