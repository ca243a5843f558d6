// A TensorRT bundle, in a build without TensorRT.
#include "refused.h"
#include "toy_bundle.h"

int main() {
    test::ToyBundle toy;
    toy.make_tensorrt("tensorrt", "10.9.0.34");
    CHECK_REFUSED(ltp::Engine(toy.path),
                  "this build of the library has no TensorRT support; rebuild it with "
                  "-DTENSORRT_INCLUDE_DIR=");
    return test::report("tensorrt_absent");
}
