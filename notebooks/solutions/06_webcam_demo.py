# %% half_way
frames_needed, milliseconds_needed = ..., ...
### BEGIN SOLUTION
frames_needed = int(np.ceil(np.log(0.5) / np.log(0.9)))
milliseconds_needed = frames_needed * 1000 / 15
### END SOLUTION

# %% sure_and_wrong
share = ...
### BEGIN SOLUTION
sure = weak[list(EXPRESSIONS)].max(axis=1) > 0.8
share = (sure & ~weak["right"]).mean()
### END SOLUTION

# %% darkest
darkest = ...
### BEGIN SOLUTION
for light in lights:
    if look(light) != look(1.0):
        break
    darkest = light
### END SOLUTION
