"""What a bag holds that the monitor wants: the pictures' topic and transport, and the cues' topic.

It reads the bag's metadata only, never a message, and imports nothing of ROS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

_METADATA = 'metadata.yaml'
_TRANSPORTS = {'sensor_msgs/msg/Image': 'raw', 'sensor_msgs/msg/CompressedImage': 'compressed'}
_CUE = 'stroke_side_msgs/msg/ExerciseCue'
_COMPRESSED = '/compressed'
# The monitor's own drawing is no camera.
_OVERLAY = '/overlay'


class BagError(ValueError):
    """The bag cannot be played to the monitor; one line says why."""


@dataclass(frozen=True)
class BagTopics:
    """Topics as they were recorded.

    image: as the launch files take it, without /compressed.
    transport: raw or compressed.
    cues: of ExerciseCue messages; '' when there are none.
    """

    image: str
    transport: str
    cues: str

    @property
    def recorded(self) -> str:
        """The topic of the pictures by its name in the bag."""
        return self.image + _COMPRESSED if self.transport == 'compressed' else self.image


def choose(bag: Path, image_topic: str = '', transport: str = '') -> BagTopics:
    """The topics to play.

    Args:
        bag: folder of a rosbag2.
        image_topic: fully resolved name without /compressed; '' takes the one with most pictures.
        transport: raw or compressed; '' takes what the bag has of that topic.

    Raises:
        BagError: no bag, or no such pictures in it.
    """
    counts = _counts(bag)
    found = [(count, name.removesuffix(_COMPRESSED), _TRANSPORTS[kind])
             for name, kind, count in counts
             # Transports may share a name only with their own ending.
             if count and kind in _TRANSPORTS and not name.removesuffix(_COMPRESSED).endswith(
                 _OVERLAY)
             and name.endswith(_COMPRESSED) == (_TRANSPORTS[kind] == 'compressed')]
    wanted = [one for one in found if image_topic in ('', one[1]) and transport in ('', one[2])]
    if not wanted:
        asked = ' '.join(filter(None, (transport, 'pictures', image_topic and f'on {image_topic}')))
        there = ', '.join(f'{name} ({kind})' for _, name, kind in found) or 'none at all'
        raise BagError(f'{bag}: no {asked} in this bag, which has {there}; '
                       'give image_topic and image_transport accordingly')
    _, image, chosen = max(wanted)
    cues = [name for name, kind, count in counts if kind == _CUE and count]
    return BagTopics(image, chosen, cues[0] if cues else '')


def _counts(bag: Path) -> list[tuple[str, str, int]]:
    """Name, type and number of messages of each topic."""
    try:
        content = yaml.safe_load((bag / _METADATA).read_text())
        return [(topic['topic_metadata']['name'], topic['topic_metadata']['type'],
                 int(topic['message_count']))
                for topic in content['rosbag2_bagfile_information']['topics_with_message_count']]
    except OSError as error:
        raise BagError(f'{bag}: no bag: its {_METADATA} cannot be read ({error.strerror})') \
            from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise BagError(f'{bag}: {_METADATA} is not that of a bag: {error!r}'
                       .replace('\n', ' ')) from error
