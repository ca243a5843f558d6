// A TensorRT bundle, in a build without TensorRT.
#include "refused.h"
#include "toy_bundle.h"

int main() {
    test::ToyBundle toy;
    toy.make_tensorrt("tensorrt", "10.9.0.34");
    CHECK_REFUSED(ltp::Engine(toy.path),
                  "this build of the library has no TensorRT support; rebuild it with "
                  "-DTENSORRT_INCLUDE_DIR=");
    CHECK_REFUSED(ltp::Engine(toy.path, {0, ltp::Performance::Latency, 0.5}),
                  "whose engines have their thresholds compiled in, so pruning 0.5 needs");
    return test::report("tensorrt_absent");
}
