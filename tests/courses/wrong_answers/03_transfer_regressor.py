# %% by_hand
true, given = np.array([-0.5, 0.0, 0.5]), np.array([0.0, 0.25, 0.5])
concordance = np.corrcoef(true, given)[0, 1]
# %% hedging
ratios = all_true.std(axis=0) / predictions.std(axis=0)
axis_name = ("valence", "arousal")[int(np.argmin(ratios))]
# %% frozen_or_tuned
still = attach_head(copy_backbone(loaded.model))
moving = attach_head(copy_backbone(loaded.model))
for network in (still, moving):
    get_backbone(network).trainable = network is moving
    network.compile(keras.optimizers.Adam(1e-4), loss="mse", jit_compile=False)
    network.fit(batches("train").take(4), shuffle=False, verbose=0)
