# %% paired_ratio
paired, independent = ..., ...
### BEGIN SOLUTION
paired = np.median(slow / quick)
independent = np.median(slow[100:]) / np.median(quick[:100])
### END SOLUTION
# %% mended_summary
mended = ...
### BEGIN SOLUTION


def summarise(milliseconds, warm_up):
    kept = milliseconds[warm_up:]
    return {"n": len(kept), "p50": np.median(kept), "p90": np.percentile(kept, 90)}


mended = summarise
### END SOLUTION
# %% own_ratios
ratios = ...
### BEGIN SOLUTION
half, ratios = LiteRTNetwork(find_model("affectkit-real-float16").path, threads=1), []
for number in range(320):
    start = time.perf_counter_ns()
    network(face)
    middle = time.perf_counter_ns()
    half(face)
    if number >= 20:
        ratios.append((middle - start) / (time.perf_counter_ns() - middle))
### END SOLUTION
