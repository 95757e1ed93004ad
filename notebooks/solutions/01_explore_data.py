# %% random_dummy
expected_accuracy = ...
### BEGIN SOLUTION
said = train["expression"].value_counts(normalize=True)
right = test["expression"].value_counts(normalize=True)
expected_accuracy = (said * right).sum()
### END SOLUTION
# %% crop_margin
accuracy_without, accuracy_with = ..., ...
### BEGIN SOLUTION


def accuracy_at_margin(margin):
    cut = Preprocessing(image_size=96, crop_margin=margin)
    images, kept = load_faces(test.head(400), cut)
    predicted = predict_faces(drawn, kept, images).argmax(axis=1)
    return (predicted == kept["expression"]).mean()


accuracy_without, accuracy_with = accuracy_at_margin(0.0), accuracy_at_margin(0.3)
### END SOLUTION
# %% label_noise
add_noise = ...
accuracy_at = {0.0: ..., 0.4: ...}
### BEGIN SOLUTION


def add_noise(codes, share):
    rng = np.random.default_rng(0)
    wrong = rng.random(len(codes)) < share
    return np.where(wrong, (codes + rng.integers(1, 8, len(codes))) % 8, codes)


accuracy_at = {share: probe_accuracy(add_noise, share) for share in (0.0, 0.4)}
### END SOLUTION
