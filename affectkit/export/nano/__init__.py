"""The bundle for a Jetson Nano: graphs that old TensorFlow loads, scripts, and its reports."""
