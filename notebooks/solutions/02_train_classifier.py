# %% class_weights
recall_with, recall_without = ..., ...
### BEGIN SOLUTION
contempt = some["expression"].to_numpy() == 7
recall_with = (train_head(dict(enumerate(weight_of)))[contempt] == 7).mean()
recall_without = (train_head(None)[contempt] == 7).mean()
### END SOLUTION
# %% random_start
accuracy_from_scratch = ...
### BEGIN SOLUTION
keras.utils.set_random_seed(seed)
scratch = build_classifier(size, settings.alpha, settings.dropout, None)
scratch.compile(
    optimizer=keras.optimizers.AdamW(learning_rate=1e-3),
    loss=keras.losses.CategoricalCrossentropy(),
    metrics=["accuracy"],
    jit_compile=False,
)
balanced = dict(enumerate(weight_of))
scratch.fit(fit_batches, epochs=1, class_weight=balanced, shuffle=False, verbose=0)
_, accuracy_from_scratch = scratch.evaluate(check_batches, verbose=0)
### END SOLUTION
# %% smallest_loss
smallest_loss = ...
### BEGIN SOLUTION
target = np.full(8, 0.1 / 8)
target[0] += 0.9
smallest_loss = -(target * np.log(target)).sum()
### END SOLUTION
