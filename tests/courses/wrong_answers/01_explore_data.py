# %% random_dummy
frequencies = train["expression"].value_counts(normalize=True)
expected_accuracy = (frequencies**2).sum()
# %% crop_margin
images, kept = load_faces(test.head(400), drawn.preprocessing)
accuracy_without = (predict_faces(drawn, kept, images).argmax(axis=1) == kept["expression"]).mean()
wide = Preprocessing(image_size=96, crop_margin=0.3)
accuracy_with = (predict_faces(drawn, kept, images).argmax(axis=1) == kept["expression"]).mean()
# %% label_noise


def add_noise(codes, share):
    rng = np.random.default_rng(0)
    wrong = rng.random(len(codes)) < share
    return np.where(wrong, rng.integers(0, 8, len(codes)), codes)


accuracy_at = {share: probe_accuracy(add_noise, share) for share in (0.0, 0.4)}
