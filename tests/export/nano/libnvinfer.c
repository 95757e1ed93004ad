/* Stands in for TensorRT's libnvinfer where there is none: it answers the question for its version,
   so that TF-TRT's own segmenter runs. It builds nothing: whoever asks for a builder or a runtime
   gets NULL. VERSION is major * 1000 + minor * 100 + patch. */
#include <stddef.h>

static void *nothing(void) { return NULL; }

/* an object whose every virtual function returns nothing */
static void *functions[64] = {[0 ... 63] = (void *)nothing};
static void *object[1] = {functions};

int getInferLibVersion(void) { return VERSION; }
void *createInferBuilder_INTERNAL(void *logger, int version) { return NULL; }
void *createInferRuntime_INTERNAL(void *logger, int version) { return NULL; }
void *createInferRefitter_INTERNAL(void *engine, void *logger, int version) { return NULL; }
void *getLogger(void) { return NULL; }
void *getPluginRegistry(void) { return object; }
_Bool initLibNvInferPlugins(void *logger, const char *namespace) { return 1; }
