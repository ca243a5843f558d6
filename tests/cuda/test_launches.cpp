// What a layer launches, as other launchers of the same kernels rely on it.
#include <sstream>
#include <string>

#include "check.h"
#include "cuda/launches.h"
#include "loaded.h"

namespace {

using namespace ltp;

std::string launches(int head_size, const PruningRule& rule, Carry carry) {
    const cuda::Launches list = cuda::launches({12, head_size, rule, carry}, 1000, 9);
    std::ostringstream text;
    for (int i = 0; i < list.count; ++i) {
        const cuda::Launch& launch = list.launch[i];
        text << launch.kernel.name << '[' << launch.grid.x << 'x' << launch.grid.y << ' '
             << launch.block.x << ']';
    }
    return text.str();
}

void expect(const std::string& expected, int head_size, const PruningRule& rule, Carry carry) {
    const std::string found = launches(head_size, rule, carry);
    CHECK(found == expected, "expected", expected, "found", found);
}

/// Every kernel that a layer launches is loaded, attention with all shared memory.
void loading() {
    CHECK(cuda::load_kernels() == cudaSuccess, "loading");
    CHECK(test::carveouts.size() == 10, test::carveouts.size(), "kernels");
    for (const int size : {32, 64, 128})
        for (const bool scores : {false, true})
            for (const Carry carry : {Carry::All, Carry::First, Carry::Survivors}) {
                const PruningRule rule{scores ? Mode::TopK : Mode::None, 0.5f, 0, true};
                const cuda::Launches list = cuda::launches({12, size, rule, carry}, 1000, 9);
                for (int i = 0; i < list.count; ++i) {
                    const cuda::Kernel& kernel = list.launch[i].kernel;
                    const auto found = test::carveouts.find(kernel.function);
                    CHECK(found != test::carveouts.end(), kernel.name, "is not loaded");
                    const bool attends = std::string(kernel.name).rfind("ltp_attend", 0) == 0;
                    CHECK(found->second == (attends ? 100 : -1), kernel.name, found->second);
                }
            }
    test::carveouts.clear();
    test::load_fails_after = 4;
    CHECK(cuda::load_kernels() == cudaErrorInvalidValue, "an error was lost");
    CHECK(test::carveouts.size() == 4, "it went on after an error");
}

}  // namespace

int main() {
    loading();
    const PruningRule none, top_k{Mode::TopK, 0.5f, 0, true};
    const std::string compact = "ltp_compact[135x1 256]";
    expect("ltp_attend_64[25x12 128]", 64, none, Carry::All);
    expect("ltp_first_row_64[10x12 128]", 64, none, Carry::First);
    expect("ltp_attend_scores_64[25x12 128]", 64, top_k, Carry::All);
    expect("ltp_attend_scores_32[25x12 128]", 24, top_k, Carry::First);
    for (const Carry carry : {Carry::Survivors, Carry::Bounded}) {
        expect("ltp_attend_128[25x12 128]" + compact, 72, none, carry);
        expect("ltp_attend_scores_128[25x12 128]" + compact, 128, top_k, carry);
    }
    const cuda::Layer keeps{12, 64, top_k, Carry::All}, moves{12, 64, top_k, Carry::Bounded};
    CHECK(cuda::workspace_bytes({12, 64, none, Carry::All}, 1000, 9) == 0, "no scores, no scratch");
    CHECK(cuda::workspace_bytes(keeps, 1000, 9) == 8448, cuda::workspace_bytes(keeps, 1000, 9));
    const cuda::Workspace w = cuda::workspace(moves, 1000, 9);
    CHECK(w.scores == 0 && w.blocks_done == 8192 && w.attended == 8448 && w.survivors == 1544448 &&
              w.survivor_counts == 1548544,
          w.survivors);
    CHECK(w.zeroed == 8192 + 9 * 4 && w.end == 1548800, w.zeroed, w.end);
    CHECK(cuda::workspace({12, 64, none, Carry::Bounded}, 1000, 9).zeroed == 0,
          "nothing to add to");
    return test::report("cuda_launches");
}
