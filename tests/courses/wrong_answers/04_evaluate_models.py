# %% difference
mirrored = predict_table(classifier, test, flip=True)[0].argmax(axis=1) == truth
difference = mirrored.mean() - right.mean()
draws = np.random.default_rng(seed)
drawn = draws.integers(0, len(faces_of), (500, len(faces_of)))
mirrored_draws = [mirrored[np.concatenate([faces_of[p] for p in row])].mean() for row in drawn]
mirrored_low, mirrored_high = np.quantile(mirrored_draws, [0.025, 0.975])
low_end, high_end = mirrored_low - high, mirrored_high - low
# %% sure_enough
sure_enough = 0.9
answered = (confidence >= sure_enough).mean()
# %% lamp
azimuths = [-90, -60, -30, 0, 30, 60, 90]
curves = []
for person in range(8):
    lit, _ = render_sweep(person, "light_azimuth", azimuths, expression_clean="Happy")
    inputs = [face_input(picture, [None], classifier.preprocessing)[0] for picture in lit]
    told = classifier.model.predict(np.stack(inputs), verbose=0)
    curves.append(told[:, EXPRESSIONS.index("Happy")])
mean_happy = np.mean(curves, axis=0)
