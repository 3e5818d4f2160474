"""The simulated patient: a healthy photograph and a palsy → frames with ground truth."""
