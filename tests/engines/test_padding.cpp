// Requests are run as the sizes that Python runs them as: see tests/cuda/test_buckets.py.
#include "padding.h"

#include "../plugins/check.h"

int main() {
    const std::size_t rows[][2] = {{1, 8},      {70, 72},     {82, 88},    {93, 96},
                                   {105, 112},  {116, 120},   {128, 128},  {129, 144},
                                   {993, 1024}, {1025, 1088}, {5000, 5120}};
    for (const auto& [given, run] : rows)
        CHECK(ltp::row_bucket(given) == run, given, ltp::row_bucket(given));
    const std::size_t most = 24, sequences[][2] = {{1, 1}, {2, 2}, {3, 4}, {9, 16}, {17, 24}};
    for (const auto& [given, run] : sequences)
        CHECK(ltp::sequence_bucket(given, most) == run, given, ltp::sequence_bucket(given, most));
    return test::report("padding");
}
