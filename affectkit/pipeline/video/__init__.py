"""Videos and cameras: read, answered frame by frame, drawn on and written."""
