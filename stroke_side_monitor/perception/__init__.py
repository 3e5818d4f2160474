"""Pixels → what is seen. Never decides about a side, never imports rclpy."""
