# %% border
own = answers[(answers["network"] == "affectkit-real") & (answers["portraits"] == source)]
border = 0.5
false_smiles = int((own.loc[own["label"] == "Neutral", "answer"] == "Happy").sum()) + 1
# %% spoil
changed = 0
for picture in pictures:
    tiny = cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA)
    spoiled = cv2.resize(tiny, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    before, after = (pipelines["affectkit-real"](image)[:1] for image in (picture, spoiled))
    changed += [face.expression for face in before] != [face.expression for face in after]
# %% layer
finer = overlap["affectkit-real"].mean()
