"""stroke_side_monitor: the affected side of a patient's face, and how badly, from a robot's camera.

Left and right are the patient's own everywhere in this package. A measurement aid, not a diagnosis.
"""

__version__ = '0.1.0'
