// Compiled in place of the other tensorrt_*.cpp where TensorRT's headers were not found.
#include "backend.h"
#include "text.h"

namespace ltp {

std::unique_ptr<Backend> open_tensorrt(const Bundle& bundle, const Options&) {
    throw Error(text(bundle.directory, " is a TensorRT bundle, and this build of the library has ",
                     "no TensorRT support; rebuild it with -DTENSORRT_INCLUDE_DIR=<the folder ",
                     "with NvInferRuntime.h>, on a machine with a CUDA toolkit"));
}

}  // namespace ltp
