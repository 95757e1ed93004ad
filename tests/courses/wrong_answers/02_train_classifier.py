# %% class_weights
called = train_head(dict(enumerate(weight_of)))
recall_with = (some["expression"].to_numpy()[called == 7] == 7).mean()
called = train_head(None)
recall_without = (some["expression"].to_numpy()[called == 7] == 7).mean()
# %% random_start
scratch = build_classifier(size, settings.alpha, settings.dropout, settings.weights)
scratch.compile("adam", "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
scratch.fit(fit_batches, epochs=1, class_weight=dict(enumerate(weight_of)), verbose=0)
_, accuracy_from_scratch = scratch.evaluate(check_batches, verbose=0)
# %% smallest_loss
smallest_loss = -np.log(0.9 + 0.1 / 8)
