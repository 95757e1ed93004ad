# %% int8_size
predicted_megabytes = ...
### BEGIN SOLUTION
predicted_megabytes = open_source("affectkit-real").model.count_params() / 1e6
### END SOLUTION
# %% mended_graph
graph_part, label_of = ..., ...
### BEGIN SOLUTION


def probabilities_of(face):
    return {name: tf.identity(network(face, training=False)[name], name=name)}


def index_of(pixels):
    probabilities = probabilities_of(pixels.astype(np.float32) / 127.5 - 1)[name]
    return np.argmax(probabilities, axis=1)


graph_part, label_of = probabilities_of, index_of
### END SOLUTION
# %% calibration
agreement = {8: ..., 64: ...}
### BEGIN SOLUTION
expected = exact[64:].argmax(axis=1)
for number in agreement:
    int8 = LiteRTNetwork(convert_to_tflite(network, "int8", faces[:number]))
    agreement[number] = float((int8(faces[64:])[name].argmax(axis=1) == expected).mean())
### END SOLUTION
