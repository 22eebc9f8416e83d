"""Compressed images; what is cut off or too large must be refused by every decoder."""

import io
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pdn_ros.errors import InputError
from pdn_ros.messages import compressed
from pdn_ros.messages.compressed import decode_compressed, read_image_file

PNG = b"\x89PNG\r\n\x1a\n"


def photograph():
    y, x = np.mgrid[:60, :80]
    return np.dstack([2 * x, 3 * y, x + y]).astype(np.uint8)


@pytest.fixture(params=["simplejpeg", "opencv"])
def decoder(request, monkeypatch):
    if request.param == "opencv":
        monkeypatch.setattr(compressed, "simplejpeg", None)
    elif compressed.simplejpeg is None:
        pytest.skip("simplejpeg is not installed")


@pytest.mark.usefixtures("decoder")
class TestCompressed:
    def test_png_is_exact(self):
        data = cv2.imencode(".png", photograph())[1]
        assert (decode_compressed(data, "bgr8; png compressed bgr8") == photograph()).all()

    def test_jpeg_is_close(self):
        data = cv2.imencode(".jpg", photograph(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        found = decode_compressed(data, "jpeg").astype(int)
        assert np.abs(found - photograph()).mean() < 2

    def test_grey_jpeg_becomes_bgr(self):
        data = cv2.imencode(".jpg", photograph()[..., 0])[1].tobytes()
        found = decode_compressed(data, "mono8; jpeg compressed")
        assert found.shape == (60, 80, 3)
        assert (np.ptp(found, axis=2) == 0).all()

    @pytest.mark.parametrize("kind", [".jpg", ".png"])
    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.97])
    def test_truncated_is_an_input_error(self, kind, share):
        data = cv2.imencode(kind, photograph())[1].tobytes()
        with pytest.raises(InputError, match=r"\Acompressed image: [^\n]*\Z"):
            decode_compressed(data[: int(share * len(data))], f"{kind}\n")

    @pytest.mark.parametrize(("progressive", "restart"), [(0, 0), (0, 2), (1, 0)])
    @pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
    def test_half_a_jpeg_with_an_end_is_an_input_error(self, share, restart, progressive):
        """OpenCV and Pillow fill what is missing with gray and say nothing."""
        jpeg = photographed(progressive, restart)
        assert decode_compressed(jpeg).shape == (60, 80, 3)
        cut = jpeg[: int(share * len(jpeg))]
        if cut.endswith(b"\xff"):
            cut = cut[:-1]
        with pytest.raises(InputError, match=r"\Acompressed image: [^\n]*damaged[^\n]*\Z"):
            decode_compressed(cut + b"\xff\xd9", "jpeg")

    @pytest.mark.parametrize("value", [0, 127, 128, 255])
    @pytest.mark.parametrize("progressive", [0, 1])
    def test_a_gray_jpeg_is_whole(self, value, progressive):
        flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
        data = cv2.imencode(".jpg", np.full((40, 50, 3), value, np.uint8), flags)[1].tobytes()
        assert np.abs(decode_compressed(data).astype(int) - value).max() <= 1

    @pytest.mark.parametrize("kind", [".jpg", ".png", ".webp", ".tiff", ".bmp", ".ppm"])
    def test_a_large_image_is_refused_before_it_is_decoded(self, kind, monkeypatch):
        data = cv2.imencode(kind, photograph())[1].tobytes()
        assert decode_compressed(data, max_pixels=4800).shape == (60, 80, 3)
        monkeypatch.delattr(cv2, "imdecode")
        if compressed.simplejpeg is not None:
            monkeypatch.delattr(compressed.simplejpeg, "decode_jpeg")
        with pytest.raises(InputError, match="80 x 60 pixels, more than max_pixels = 4799"):
            decode_compressed(data, max_pixels=4799)

    def test_a_bomb_is_refused_at_once(self):
        with pytest.raises(InputError, match=r"\Acompressed image: [^\n]*12000 x 12000[^\n]*\Z"):
            decode_compressed(bomb(12_000))
        with pytest.raises(InputError, match=r"\Acompressed image: [^\n]*\Z"):
            decode_compressed(bomb(60_000))

    @given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", PNG, b"BM"]))
    def test_noise_is_an_input_error(self, data, start):
        with pytest.raises(InputError, match=r"\A[^\n]*\Z"):
            decode_compressed(start + data, "jpeg")

    @given(st.sampled_from([".jpg", ".png"]), st.data())
    def test_damage_is_an_image_or_an_input_error(self, kind, data):
        file = bytearray(cv2.imencode(kind, photograph()[:24, :24])[1].tobytes())
        for _ in range(data.draw(st.integers(1, 4))):
            file[data.draw(st.integers(2, len(file) - 1))] = data.draw(st.integers(0, 255))
        try:
            pixels = decode_compressed(bytes(file), max_pixels=10_000)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert pixels.ndim == 3 and pixels.shape[2] == 3
            assert pixels.shape[0] * pixels.shape[1] <= 10_000


def photographed(progressive: int, restart: int) -> bytes:
    flags = [
        cv2.IMWRITE_JPEG_PROGRESSIVE, progressive,
        cv2.IMWRITE_JPEG_RST_INTERVAL, restart,
    ]  # fmt: skip
    return cv2.imencode(".jpg", photograph(), flags)[1].tobytes()


def bomb(side: int) -> bytes:
    """A small PNG of side x side black pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    row = zlib.compress(bytes(10_000))  # the header alone must do: the rest need not be whole
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


@pytest.mark.usefixtures("decoder")
def test_all_decoders_agree_on_colors():
    for kind in (".jpg", ".png", ".webp"):
        data = cv2.imencode(kind, photograph())[1]
        np.testing.assert_array_equal(
            decode_compressed(data.tobytes()), cv2.imdecode(data, cv2.IMREAD_COLOR)
        )


def test_a_cmyk_jpeg_is_read():
    file = io.BytesIO()
    Image.fromarray(photograph()).convert("CMYK").save(file, "JPEG", quality=95)
    assert decode_compressed(file.getvalue()).shape == (60, 80, 3)


def tagged(orientation: int) -> bytes:
    jpeg = cv2.imencode(".jpg", photograph())[1].tobytes()
    tag = orientation.to_bytes(2, "little")
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + tag + b"\0\0\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_in_the_file(orientation, tmp_path):
    data = tagged(orientation)
    (tmp_path / "a.jpg").write_bytes(data)
    turned = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert (turned.shape == (80, 60, 3)) == (orientation > 4)
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.jpg", upright=True), turned)
    plain = decode_compressed(tagged(1))
    np.testing.assert_array_equal(decode_compressed(data, "jpeg"), plain)
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.jpg"), plain)


def test_files_are_named(tmp_path):
    (tmp_path / "half.jpg").write_bytes(tagged(1)[:1500])
    (tmp_path / "bomb.png").write_bytes(bomb(12_000))
    for name, says in (
        ("absent.jpg", "cannot be read"),
        ("half.jpg", "damaged"),
        ("bomb.png", "12000 x 12000 pixels, more than max_pixels = 50000000"),
    ):
        path = tmp_path / name
        with pytest.raises(InputError, match=rf"\A{re.escape(str(path))}: [^\n]*{says}"):
            read_image_file(path)


def test_compressed_depth_is_refused():
    with pytest.raises(InputError, match="depth image"):
        decode_compressed(b"", "16UC1; compressedDepth png")
