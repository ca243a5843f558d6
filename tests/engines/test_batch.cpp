// Packing, refusals and position ids.
#include "batch.h"

#include "inputs.h"

#include <climits>

#include "refused.h"

namespace {

using Ids = std::vector<std::int32_t>;

ltp::Info info() {
    return {"cpu",
            "f32",
            "classification",
            {},
            2,
            /*max_length=*/4,
            /*vocab_size=*/10,
            /*type_vocab_size=*/2,
            0};
}

void packing() {
    const ltp::Batch batch = ltp::pack({{1, 2}, {3}}, {{0, 1}, {1}});
    CHECK(batch.input_ids == Ids({1, 2, 3}), "ids");
    CHECK(batch.offsets == Ids({0, 2, 3}), "offsets");
    CHECK(batch.token_type_ids == Ids({0, 1, 1}), "types");
    CHECK(ltp::pack({{1}}).token_type_ids.empty(), "no types");
    CHECK_REFUSED(ltp::pack({{1}, {2}}, {{0}}), "2 sequences but 1 vectors of token types");
    CHECK_REFUSED(ltp::pack({{1}, {2, 3}}, {{0}, {0}}),
                  "sequence 1: it has 2 token ids but 1 token types");
}

void refusals() {
    const auto check = [](const ltp::Batch& batch) { ltp::check_batch(batch, info()); };
    check({{1, 2, 3, 4, 9, 0}, {0, 4, 6}, {0, 1, 0, 1, 0, 1}});
    CHECK_REFUSED(check({}), "the batch is empty");
    CHECK_REFUSED(check(ltp::pack({})), "the batch is empty");
    CHECK_REFUSED(check({{1}, {1}, {}}), "the batch is empty");
    CHECK_REFUSED(check({{1}, {0, 0, 1}, {}}), "sequence 0: it has no tokens");
    CHECK_REFUSED(check({{1}, {0, 1, 1}, {}}), "sequence 1: it has no tokens");
    CHECK_REFUSED(check({{1, 2}, {1, 2}, {}}), "offsets start at 1");
    CHECK_REFUSED(check({{1, 2}, {-1, 2}, {}}), "offsets start at -1");
    CHECK_REFUSED(check({{1, 2}, {0, 2, 1}, {}}), "offsets fall from 2 to 1");
    CHECK_REFUSED(check({{1, 2}, {0, INT_MIN, 2}, {}}), "offsets fall from 0");
    CHECK_REFUSED(check({{1, 2}, {0, INT_MAX, 2}, {}}), "offsets fall from 2147483647 to 2");
    CHECK_REFUSED(check({{1, 2}, {0, 1}, {}}), "offsets end at 1 but there are 2 token ids");
    CHECK_REFUSED(check({{1, 2}, {0, INT_MAX}, {}}), "offsets end at 2147483647");
    CHECK_REFUSED(check({{}, {0, 1}, {}}), "offsets end at 1 but there are 0 token ids");
    CHECK_REFUSED(check(ltp::pack({{1, 2, 3, 4}, {1, 2, 3, 4, 5}})), "sequence 1: it has 5 tokens");
    CHECK_REFUSED(check(ltp::pack({{1}, {2, 10}})),
                  "sequence 1: token 1 has id 10, ids are 0 to 9");
    CHECK_REFUSED(check(ltp::pack({{-1}})), "sequence 0: token 0 has id -1");
    CHECK_REFUSED(check({{1, 2}, {0, 2}, {0}}), "2 token ids but 1 token types");
    CHECK_REFUSED(check(ltp::pack({{1}}, {{2}})), "token 0 has type 2, types are 0 to 1");
    CHECK_REFUSED(check(ltp::pack({{1}}, {{-1}})), "token 0 has type -1");
}

void limits() {
    ltp::Info info = ::info();
    info.max_batch = 2;
    info.max_tokens = 5;
    const auto check = [&](const ltp::Batch& batch) { ltp::check_batch(batch, info); };
    check(ltp::pack({{1, 2, 3}, {4, 5}}));
    CHECK_REFUSED(check(ltp::pack({{1}, {2}, {3}})),
                  "the batch has 3 sequences, the engine takes at most 2; split it");
    CHECK_REFUSED(check(ltp::pack({{1, 2, 3}, {4, 5, 6}})),
                  "the batch has 6 tokens, the engine takes at most 5; split it");
    try {
        check(ltp::pack({{1}, {2}, {3}}));
    } catch (const ltp::InputError& error) {
        CHECK(error.sequence == error.whole_batch, error.sequence);
    }
}

void which_sequence() {
    try {
        ltp::check_batch(ltp::pack({{1}, {2}, {3, 77}}), info());
    } catch (const ltp::InputError& error) {
        CHECK(error.sequence == 2, error.sequence);
        CHECK(error.reason.rfind("token 1", 0) == 0, error.reason);
    }
}

void without_types() {
    ltp::Info untyped = info();
    untyped.type_vocab_size = 0;
    ltp::check_batch(ltp::pack({{1, 2}}, {{0, 0}}), untyped);
    CHECK_REFUSED(ltp::check_batch(ltp::pack({{1, 2}}, {{0, 1}}), untyped), "token 1 has type 1");
}

void positions() {
    ltp::Bundle bundle{};
    bundle.info = info();
    const ltp::Batch batch = ltp::pack({{5, 0, 6, 0}, {0, 7}});
    CHECK(ltp::position_ids(batch, bundle) == Ids({0, 1, 2, 3, 0, 1}), "counted from 0");
    bundle.position_start = 2;
    CHECK(ltp::position_ids(batch, bundle) == Ids({2, 3, 4, 5, 2, 3}), "counted from 2");
    bundle.padding_skips = true;
    CHECK(ltp::position_ids(batch, bundle) == Ids({2, 1, 3, 1, 1, 2}), "padding is skipped");
}

}  // namespace

int main() {
    packing();
    refusals();
    limits();
    which_sequence();
    without_types();
    positions();
    return test::report("batch");
}
