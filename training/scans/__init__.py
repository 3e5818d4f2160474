"""Head scans: read, cut out, measured, drawn as phantoms, judged; nothing imports TensorFlow."""
