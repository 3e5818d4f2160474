"""What a frame, a still and half an hour cost. Nothing here runs on the robot."""
