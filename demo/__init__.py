"""`make demo`: simulated patient and monitor beside each other. Nothing here runs on the robot."""
