"""TFRecord shards of a data set: written, checked and read as streams."""
