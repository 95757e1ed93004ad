# %% network_size
parameters = build_classifier(image_size=64).count_params()
megabytes = parameters / 1e6
