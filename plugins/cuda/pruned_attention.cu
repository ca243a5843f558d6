#include "pruned_attention.h"

#include "kernels.cuh"
#include "launches.h"

#define LTP_LAUNCH(kernel, grid, block) Launch{#kernel, reinterpret_cast<const void*>(&kernel), grid, block}

namespace ltp::cuda {
namespace {

Launch attend_launch(int head_size, bool scores, dim3 grid) {
    if (head_size <= 32)
        return scores ? LTP_LAUNCH(ltp_attend_scores_32, grid, kAttendThreads)
                      : LTP_LAUNCH(ltp_attend_32, grid, kAttendThreads);
    if (head_size <= 64)
        return scores ? LTP_LAUNCH(ltp_attend_scores_64, grid, kAttendThreads)
                      : LTP_LAUNCH(ltp_attend_64, grid, kAttendThreads);
    return scores ? LTP_LAUNCH(ltp_attend_scores_128, grid, kAttendThreads)
                  : LTP_LAUNCH(ltp_attend_128, grid, kAttendThreads);
}

Launch first_row_launch(int head_size, dim3 grid) {
    if (head_size <= 32) return LTP_LAUNCH(ltp_first_row_32, grid, kFirstRowThreads);
    if (head_size <= 64) return LTP_LAUNCH(ltp_first_row_64, grid, kFirstRowThreads);
    return LTP_LAUNCH(ltp_first_row_128, grid, kFirstRowThreads);
}

}  // namespace

Launches launches(const Layer& layer, int rows, int sequences) {
    const unsigned heads = layer.heads, blocks_of_sequences = sequences + 1u;
    Launches list;
    const auto add = [&list](const Launch& launch) { list.launch[list.count++] = launch; };
    const bool scores = prunes(layer.rule);
    if (layer.carry == Carry::First && !scores) {
        add(first_row_launch(layer.head_size, {blocks_of_sequences, heads}));
        return list;
    }
    add(attend_launch(layer.head_size, scores, {tile_slots(rows, sequences, kAttendRows), heads}));
    if (scores || compacts(layer.carry)) add(LTP_LAUNCH(ltp_decide, blocks_of_sequences, kDecideThreads));
    if (compacts(layer.carry))
        add(LTP_LAUNCH(ltp_compact, tile_slots(rows, sequences, kCompactRows), kCompactThreads));
    return list;
}

Workspace workspace(const Layer& layer, int rows, int sequences) {
    Workspace w;
    const auto take = [&w](std::size_t bytes) {
        const std::size_t at = w.end;
        w.end = (at + bytes + 255) / 256 * 256;
        return at;
    };
    const std::size_t moved = compacts(layer.carry) ? rows : 0;
    w.scores = take(prunes(layer.rule) ? rows * sizeof(unsigned long long) : 0);
    w.attended = take(moved * layer.heads * layer.head_size * sizeof(__half));
    w.survivors = take(moved * sizeof(std::int32_t));
    w.survivor_counts = take(compacts(layer.carry) ? sequences * sizeof(std::int32_t) : 0);
    return w;
}

std::size_t workspace_bytes(const Layer& layer, int rows, int sequences) {
    return workspace(layer, rows, sequences).end;
}

cudaError_t pruned_attention(const Layer& layer, const Inputs& in, const Outputs& out, void* memory,
                             cudaStream_t stream) {
    if (layer.heads < 1 || layer.heads > 65535 || layer.head_size < 8 || layer.head_size > 128 ||
        layer.head_size % 8 != 0 || in.rows < 0 || in.sequences < 0)
        return cudaErrorInvalidValue;
    const Workspace w = workspace(layer, in.rows, in.sequences);
    char* const base = static_cast<char*>(memory);
    const bool moves = compacts(layer.carry), scores = prunes(layer.rule);

    Arguments a{};
    a.qkv = in.qkv;
    a.offsets = in.offsets;
    a.alive = in.alive;
    a.lengths = in.lengths;
    a.context = out.context;
    a.kept = out.kept;
    a.offsets_out = out.offsets;
    a.alive_out = out.alive;
    a.count = out.count;
    if (scores) a.scores = reinterpret_cast<unsigned long long*>(base + w.scores);
    a.attended = moves ? reinterpret_cast<__half*>(base + w.attended) : out.context;
    if (moves) a.survivors = reinterpret_cast<std::int32_t*>(base + w.survivors);
    if (moves) a.survivor_counts = reinterpret_cast<std::int32_t*>(base + w.survivor_counts);
    a.rows = in.rows;
    a.sequences = in.sequences;
    a.heads = layer.heads;
    a.head_size = layer.head_size;
    a.rule = layer.rule;
    a.carry = layer.carry;

    if (scores && in.rows > 0) {
        const cudaError_t error = cudaMemsetAsync(a.scores, 0, in.rows * sizeof(*a.scores), stream);
        if (error != cudaSuccess) return error;
    }
    const Launches list = launches(layer, in.rows, in.sequences);
    for (int i = 0; i < list.count; ++i) {
        const Launch& launch = list.launch[i];
        void* parameters[] = {&a};
        const cudaError_t error = cudaLaunchKernel(launch.kernel, launch.grid, launch.block, parameters, 0, stream);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

}  // namespace ltp::cuda
