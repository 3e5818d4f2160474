"""The clinic page: face check, head scans and expert feedback in a browser.

It stands beside the robot's package, has an environment of its own (.venv-clinic) and is never
installed on a robot. It measures nothing itself: `Pipeline`, `report` and `training` do.
"""
