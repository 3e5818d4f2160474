"""The only code that imports rclpy. It carries values across; it does no arithmetic on faces."""
