# %% leak
leaked = np.flatnonzero(np.isin(fingerprints(test_pixels), fingerprints(their_pixels)))
clean_accuracy = plain.mean()
# %% luck
luck = [best_of(hits[:count], shown)[0].mean() for count in (2, 20, 200)]
# %% size
by_batch = [run(np.arange(len(test_y)), batch).mean() for batch in (1, 4, 64)]
