# %% int8_size
predicted_megabytes = open_source("affectkit-real").model.count_params() * 4 / 1e6


# %% mended_graph
def graph_part(pixels):
    return {name: network(tf.cast(pixels, tf.float32), training=False)[name]}


def label_of(pixels):
    return np.argmax(graph_part(pixels)[name], axis=1)


# %% calibration
agreement = {}
for number in (8, 64):
    int8 = LiteRTNetwork(convert_to_tflite(network, "int8", faces[:number]))
    agreement[number] = 1 - float(np.abs(int8(faces[64:])[name] - exact[64:]).mean())
