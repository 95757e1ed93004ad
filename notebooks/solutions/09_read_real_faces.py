# %% border
border, false_smiles = ..., ...
### BEGIN SOLUTION
own = answers[(answers["network"] == "affectkit-real") & (answers["portraits"] == source)]
odds = np.log(own["P(Happy)"] / (1 - own["P(Happy)"]))
border = 0.0
while odds[own["label"] == "Happy"].min() + border <= 0:
    border += 0.5
false_smiles = int((odds[own["label"] == "Neutral"] + border > 0).sum())
### END SOLUTION
# %% spoil
changed = ...
### BEGIN SOLUTION
changed = 0
for picture in pictures:
    tiny = cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA)
    spoiled = cv2.resize(tiny, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    before, after = (pipelines["affectkit-real"](image)[:1] for image in (picture, spoiled))
    changed += [face.expression for face in before] != [face.expression for face in after]
### END SOLUTION
# %% layer
finer = ...
### BEGIN SOLUTION
seen = models["affectkit-real"]
squares = np.stack([crop_face(face, box, seen.preprocessing) for face, box, _ in examples])
heats = enlarge(grad_cam(seen, squares, right, "block_6_expand_relu"))
finer = np.nanmean([ratio(heat, truth) for heat, truth in zip(heats, truths, strict=True)])
### END SOLUTION
