# %% leak
leaked, clean_accuracy = ..., ...
### BEGIN SOLUTION
mirrored = fingerprints(test_pixels[:, :, ::-1])
leaked = np.flatnonzero(np.isin(mirrored, fingerprints(their_pixels)))
clean_accuracy = np.delete(plain, leaked).mean()
### END SOLUTION
# %% luck
luck = ...
### BEGIN SOLUTION
luck = []
for count in (2, 20, 200):
    reported, fresh = best_of(hits[:count], shown)
    luck.append(reported.mean() - fresh.mean())
### END SOLUTION
# %% size
by_batch = ...
### BEGIN SOLUTION
by_class = np.argsort(test_y, kind="stable")
by_batch = [run(by_class, batch).mean() for batch in (1, 4, 64)]
### END SOLUTION
