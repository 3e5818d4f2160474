"""Assessing files instead of a camera: what stands behind `assess`. No ROS needed."""
