"""What a choice gave: norms, decision, movement, simulation. Nothing here runs on the robot."""
