"""A raw image read where it lies is the image that rclpy's deserialiser gives."""

from __future__ import annotations

import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from stroke_side_monitor.ros import conversions, raw_image

WORDS = st.text(st.characters(exclude_characters='\0', exclude_categories=('Cs',)), max_size=12)
NUMBERS = st.integers(0, 2 ** 32 - 1)
IMAGES = st.builds(
    Image, height=NUMBERS, width=NUMBERS, step=NUMBERS, encoding=WORDS,
    is_bigendian=st.integers(0, 255), data=st.binary(max_size=40).map(
        lambda octets: array.array('B', octets)),
    header=st.builds(Header, frame_id=WORDS, stamp=st.integers(
        0, 2 ** 61).map(conversions.stamp_of)))
FIELDS = [name for name in Image.get_fields_and_field_types() if name != 'data']


@given(IMAGES)
def test_every_field_is_as_rclpy_reads_it(message):
    serialised = serialize_message(message)
    read, again = raw_image.read(serialised), deserialize_message(serialised, Image)
    assert [getattr(read, name) for name in FIELDS] == [getattr(again, name) for name in FIELDS]
    assert bytes(read.data) == bytes(again.data)


@given(IMAGES)
def test_whatever_is_cut_short_is_left_to_rclpy(message):
    serialised = serialize_message(message)
    whole = len(serialised) - (-len(message.data) % 4)  # what fills up the last four bytes
    for length in range(whole):
        assert raw_image.read(serialised[:length]) is None, length


def test_the_other_byte_order_is_read_too():
    little = serialize_message(Image(
        header=Header(stamp=conversions.stamp_of(1_500_000_000), frame_id='cam'), height=2,
        width=3, encoding='mono8', step=3, data=array.array('B', range(6))))
    big = bytearray(little)
    big[1] = 0
    # The numbers: stamp, length and text, two sizes, length and text, order, step, length.
    for at in (4, 8, 12, 20, 24, 28, 40, 44):
        big[at:at + 4] = little[at:at + 4][::-1]
    read, again = raw_image.read(bytes(big)), raw_image.read(little)
    assert read == again
    assert (read.height, read.width, read.step) == (2, 3, 3)
    assert conversions.serialised_stamp_s(bytes(big)) == 1.5


def test_another_encapsulation_or_text_is_left_to_rclpy():
    serialised = serialize_message(Image(header=Header(frame_id='camera'), encoding='rgb8'))
    assert raw_image.read(serialised[:1] + b'\x03' + serialised[2:]) is None
    broken = serialised.replace(b'camera', b'cam\xffra')
    assert raw_image.read(broken) is None
    assert conversions.camera_image(broken, Image) == deserialize_message(broken, Image)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_pixels_are_not_copied(encoding):
    rgb = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    message = conversions.image_message(rgb, Header(frame_id='camera'))
    message.encoding = encoding
    serialised = serialize_message(message)
    image = conversions.camera_image(serialised, Image)
    seen = conversions.picture(image)
    assert np.shares_memory(np.asarray(image.data), np.frombuffer(serialised, np.uint8))
    assert np.shares_memory(seen, np.frombuffer(serialised, np.uint8)) == (encoding == 'rgb8')
    np.testing.assert_array_equal(seen, rgb if encoding == 'rgb8' else rgb[..., ::-1])
