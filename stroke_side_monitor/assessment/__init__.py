"""What is seen → what it means. numpy only: no cv2, mediapipe or rclpy is ever imported here."""
