# %% network_size
parameters, megabytes = ..., ...
### BEGIN SOLUTION
parameters = build_classifier(image_size=64).count_params()
megabytes = parameters * 4 / 1e6
### END SOLUTION
