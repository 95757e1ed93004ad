# %% half_way
# the average age of what an answer is made of, which is longer than half of a step takes
frames_needed = round(0.9 / (1 - 0.9))
milliseconds_needed = frames_needed * 1000 / 15

# %% sure_and_wrong
# divided by the sure frames only
sure = weak[list(EXPRESSIONS)].max(axis=1) > 0.8
share = (~weak["right"])[sure].mean()

# %% darkest
# the first light at which the answer is another one, instead of the last at which it is the same
for darkest in lights:
    if look(darkest) != look(1.0):
        break
