"""The QoS profiles of our topics, a new one each time it is asked for.

rclpy writes a topic's QoS overrides into the very profile it is handed: one that two topics share
would carry the first one's overrides to the second.
"""

from __future__ import annotations

from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy


def reliable() -> QoSProfile:
    """For what must be heard: sides, results, cues, diagnostics."""
    return QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=10,
                      reliability=QoSReliabilityPolicy.RELIABLE)


def sensor_data(depth: int = 5) -> QoSProfile:
    """For images, of which the newest counts; as rclpy's profile of that name."""
    return QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=depth,
                      reliability=QoSReliabilityPolicy.BEST_EFFORT)
