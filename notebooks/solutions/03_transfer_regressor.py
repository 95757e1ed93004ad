# %% by_hand
true, given = np.array([-0.5, 0.0, 0.5]), np.array([0.0, 0.25, 0.5])
concordance = ...
### BEGIN SOLUTION
covariance = np.mean((true - true.mean()) * (given - given.mean()))
offset = true.mean() - given.mean()
concordance = 2 * covariance / (true.var() + given.var() + offset**2)
### END SOLUTION
# %% hedging
ratios, axis_name = ..., ...
### BEGIN SOLUTION
ratios = predictions.std(axis=0) / all_true.std(axis=0)
axis_name = ("valence", "arousal")[int(np.argmin(ratios))]
### END SOLUTION
# %% frozen_or_tuned
still, moving = ..., ...
### BEGIN SOLUTION
trained = []
for moves in (False, True):
    keras.utils.set_random_seed(seed)
    backbone = copy_backbone(loaded.model)
    for layer in backbone.layers:
        layer.trainable = moves and not isinstance(layer, keras.layers.BatchNormalization)
    network = attach_head(backbone)
    network.compile(keras.optimizers.Adam(1e-4), loss="mse", jit_compile=False)
    network.fit(batches("train").take(16), shuffle=False, verbose=0)
    trained.append(network)
still, moving = trained
compare_predictions(
    {
        name: network.predict(batches("validation"), verbose=0)
        for name, network in {"frozen": still, "fine-tuned": moving}.items()
    }
)
### END SOLUTION
