"""A sensor_msgs/Image as it travels, read where it lies.

rclpy's deserialiser copies the pixels twice on their way to Python. This reader knows that one
message, copies none of them, and leaves to rclpy whatever it does not find as expected. It never
looks at the pixels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from builtin_interfaces.msg import Time
from std_msgs.msg import Header


@dataclass(frozen=True)
class RawImage:
    """The fields of sensor_msgs/Image by their names.

    data: a view of the message's bytes.
    """

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def read(serialised: bytes) -> RawImage | None:
    """The message, its pixels not copied; None where rclpy must say what it is.

    Args:
        serialised: the message as it travels (DDS-XTYPES 1.3, 7.4, plain CDR): two bytes for the
            order of the others, two without meaning, then the fields, numbers aligned to their
            size, texts and octets after their length.
    """
    order = {b'\x00\x00': '>', b'\x00\x01': '<'}.get(serialised[:2])
    if order is None:
        return None
    fields = _Fields(memoryview(serialised)[4:], order)
    try:
        header = Header(stamp=Time(sec=fields.number('i'), nanosec=fields.number('I')),
                        frame_id=fields.text())
        return RawImage(header, height=fields.number('I'), width=fields.number('I'),
                        encoding=fields.text(), is_bigendian=fields.number('B'),
                        step=fields.number('I'), data=fields.octets())
    except (struct.error, ValueError):
        return None


class _Fields:
    """Reads one field after the other."""

    def __init__(self, content: memoryview, order: str) -> None:
        self._content, self._order, self._at = content, order, 0

    def number(self, kind: str) -> int:
        """An integer of that struct format. Raises struct.error beyond the end."""
        size = struct.calcsize(self._order + kind)
        start = -(-self._at // size) * size
        self._at = start + size
        value: int = struct.unpack_from(self._order + kind, self._content, start)[0]
        return value

    def text(self) -> str:
        """A text, its closing zero left out. Raises ValueError where it is none."""
        return bytes(self.octets()).split(b'\0', 1)[0].decode('utf-8')

    def octets(self) -> memoryview:
        """So many bytes. Raises ValueError beyond the end."""
        count = self.number('I')
        start, self._at = self._at, self._at + count
        if self._at > len(self._content):
            raise ValueError('the message is cut short')
        return self._content[start:self._at]
