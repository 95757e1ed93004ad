# %% paired_ratio
paired = np.median(slow) / np.median(quick)
independent = np.median(slow[100:]) / np.median(quick[:100])


# %% mended_summary
def mended(milliseconds, warm_up):
    kept = np.sort(milliseconds)[warm_up:]
    return {"n": len(kept), "p50": np.median(kept), "p90": np.percentile(kept, 90)}


# %% own_ratios
half, ratios = LiteRTNetwork(find_model("affectkit-real-float16").path, threads=1), []
for number in range(320):
    start = time.perf_counter_ns()
    half(face)
    middle = time.perf_counter_ns()
    network(face)
    if number >= 20:
        ratios.append((middle - start) / (time.perf_counter_ns() - middle))
