# %% difference
difference, low_end, high_end = ..., ..., ...
### BEGIN SOLUTION
mirrored = predict_table(classifier, test, flip=True)[0].argmax(axis=1) == truth
difference = mirrored.mean() - right.mean()
draws = np.random.default_rng(seed)
differences = []
for _ in range(500):
    drawn = draws.integers(0, len(faces_of), len(faces_of))
    rows = np.concatenate([faces_of[person] for person in drawn])
    differences.append(mirrored[rows].mean() - right[rows].mean())
low_end, high_end = np.quantile(differences, [0.025, 0.975])
### END SOLUTION
# %% sure_enough
sure_enough, answered = ..., ...
### BEGIN SOLUTION
found, table = predict_table(classifier, splits["validation"])
clean = table[opinions.get("clean", "expression")].to_numpy(int)
correct, certain = found.argmax(axis=1) == clean, found.max(axis=1)
steps = [step / 100 for step in range(100)]
sure_enough = next(step for step in steps if correct[certain >= step].mean() >= 0.9)
answered = (confidence >= sure_enough).mean()
### END SOLUTION
# %% lamp
azimuths = [-90, -60, -30, 0, 30, 60, 90]  # degrees; 0 is beside the camera
mean_happy = ...
### BEGIN SOLUTION
curves = []
for person in range(8):
    lit, truths = render_sweep(person, "light_azimuth", azimuths, expression_clean="Happy")
    inputs = [
        face_input(picture, [fact["face_box"]], classifier.preprocessing)[0]
        for picture, fact in zip(lit, truths, strict=True)
    ]
    told = classifier.model.predict(np.stack(inputs), verbose=0)
    curves.append(told[:, EXPRESSIONS.index("Happy")])
mean_happy = np.mean(curves, axis=0)
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(azimuths, np.transpose(curves), color="0.8")
axis.plot(azimuths, mean_happy, "o-", color="#1f4e79")
axis.set(xlabel="lamp's azimuth, degrees", ylabel="P(Happy)", title="Eight smiles, one lamp")
plt.show()
### END SOLUTION
