"""Find the faces of a picture: BlazeFace, YuNet or OpenCV's Haar cascade."""
