// Mutated requests to one engine: with the number of requests and a seed after the bundle's path. A
// valid one is answered, with the bits that each of its sequences gets alone; any other is an
// InputError, and nothing else.
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <string>

#include "ltp/engine.h"

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t limit) { return random() % limit; }

std::vector<std::vector<std::int32_t>> sequences(Random& random, const ltp::Info& info) {
    std::vector<std::vector<std::int32_t>> found(1 + below(random, 6));
    for (auto& ids : found) {
        ids.resize(1 + below(random, info.max_length));
        for (auto& id : ids) id = static_cast<std::int32_t>(below(random, info.vocab_size));
    }
    return found;
}

/// One value, or the length, of one of a batch's vectors.
void mutate(Random& random, ltp::Batch& batch) {
    std::vector<std::int32_t>* const parts[] = {&batch.input_ids, &batch.offsets,
                                                &batch.token_type_ids};
    auto& part = *parts[below(random, 3)];
    const std::int32_t values[] = {0,
                                   1,
                                   -1,
                                   2,
                                   INT32_MAX,
                                   INT32_MIN,
                                   static_cast<std::int32_t>(batch.input_ids.size()),
                                   static_cast<std::int32_t>(random())};
    const std::int32_t value = values[below(random, std::size(values))];
    const std::size_t at = below(random, part.size() + 1);
    switch (below(random, 4)) {
        case 0: part.insert(part.begin() + at, value); break;
        case 1:
            if (at < part.size()) part.erase(part.begin() + at);
            break;
        case 2: part.resize(below(random, 2 * part.size() + 2), value); break;
        default:
            if (at < part.size()) part[at] = value;
    }
}

[[noreturn]] void fail(const char* what, std::uint64_t seed) {
    std::cerr << what << "; seed " << seed << '\n';
    std::abort();
}

}  // namespace

int main(int, char** argv) {
    const ltp::Engine engine(argv[1]);
    const std::uint64_t count = std::stoull(argv[2]), first = std::stoull(argv[3]);
    std::size_t answered = 0, refused = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        Random random(seed);
        const auto given = sequences(random, engine.info());
        ltp::Batch batch = ltp::pack(given);
        const std::size_t mutations = below(random, 4);
        for (std::size_t i = 0; i < mutations; ++i) mutate(random, batch);
        try {
            const ltp::Result result = engine.run(batch);
            ++answered;
            const std::size_t count_of_sequences = batch.offsets.size() - 1;
            if (result.size() != count_of_sequences) fail("answers to other sequences", seed);
            if (mutations > 0) continue;
            for (std::size_t i = 0; i < given.size(); ++i) {
                const ltp::Result alone = engine.run(ltp::pack({given[i]}));
                if (std::memcmp(result[i], alone[0], sizeof(float) * result.num_labels) != 0)
                    fail("another answer than alone", seed);
            }
        } catch (const ltp::InputError&) {
            ++refused;
            if (mutations == 0) fail("a valid request was refused", seed);
        }
    }
    std::cout << answered << " answered, " << refused << " refused\n";
}
