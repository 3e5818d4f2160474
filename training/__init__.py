"""Offline: labelled pictures → a quantised side classifier. Nothing here runs on the robot."""
