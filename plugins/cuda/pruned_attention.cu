#include "pruned_attention.h"

#include "kernels.cuh"
#include "launches.h"

#define LTP_KERNEL(name) \
    Kernel { #name, reinterpret_cast<const void*>(&name) }
#define LTP_KERNELS_BY_SIZE(name) \
    {LTP_KERNEL(name##_32), LTP_KERNEL(name##_64), LTP_KERNEL(name##_128)}

namespace ltp::cuda {
namespace {

const Kernel kAttend[] = LTP_KERNELS_BY_SIZE(ltp_attend),
             kAttendScores[] = LTP_KERNELS_BY_SIZE(ltp_attend_scores),
             kFirstRow[] = LTP_KERNELS_BY_SIZE(ltp_first_row), kCompact = LTP_KERNEL(ltp_compact);

}  // namespace

cudaError_t load_kernels() {
    cudaError_t error = cudaSuccess;
    const auto load = [&error](const Kernel& kernel, int carveout) {
        if (error == cudaSuccess)
            error = cudaFuncSetAttribute(kernel.function,
                                         cudaFuncAttributePreferredSharedMemoryCarveout, carveout);
    };
    for (int size = 0; size < 3; ++size) {
        load(kAttend[size], cudaSharedmemCarveoutMaxShared);
        load(kAttendScores[size], cudaSharedmemCarveoutMaxShared);
        load(kFirstRow[size], cudaSharedmemCarveoutDefault);
    }
    load(kCompact, cudaSharedmemCarveoutDefault);
    return error;
}

Launches launches(const Layer& layer, int rows, int sequences) {
    const int size = layer.head_size <= 32 ? 0 : layer.head_size <= 64 ? 1 : 2;
    const unsigned heads = layer.heads;
    const bool scores = prunes(layer.rule);

    Launches list;
    const auto add = [&list](const Kernel& kernel, dim3 grid, dim3 block) {
        list.launch[list.count++] = {kernel, grid, block};
    };
    if (layer.carry == Carry::First && !scores) {
        add(kFirstRow[size], {sequences + 1u, heads}, kFirstRowThreads);
        return list;
    }
    add(scores ? kAttendScores[size] : kAttend[size],
        {tile_slots(rows, sequences, kAttendRows), heads}, kAttendThreads);
    if (compacts(layer.carry))
        add(kCompact, tile_slots(rows, sequences, kCompactRows), kCompactThreads);
    return list;
}

Workspace workspace(const Layer& layer, int rows, int sequences) {
    Workspace w;
    const auto take = [&w](std::size_t bytes) {
        const std::size_t at = w.end;
        w.end = (at + bytes + 255) / 256 * 256;
        return at;
    };
    const bool scores = prunes(layer.rule);
    const std::size_t moved = compacts(layer.carry) ? rows : 0;
    w.scores = take(scores ? rows * sizeof(unsigned long long) : 0);
    w.blocks_done = take(scores ? sequences * sizeof(unsigned) : 0);
    if (scores) w.zeroed = w.blocks_done + sequences * sizeof(unsigned);
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
    if (scores) a.blocks_done = reinterpret_cast<unsigned*>(base + w.blocks_done);
    a.attended = moves ? reinterpret_cast<__half*>(base + w.attended) : out.context;
    if (moves) a.survivors = reinterpret_cast<std::int32_t*>(base + w.survivors);
    if (moves) a.survivor_counts = reinterpret_cast<std::int32_t*>(base + w.survivor_counts);
    a.rows = in.rows;
    a.sequences = in.sequences;
    a.heads = layer.heads;
    a.head_size = layer.head_size;
    a.rule = layer.rule;
    a.carry = layer.carry;

    if (w.zeroed > 0) {
        const cudaError_t error = cudaMemsetAsync(base, 0, w.zeroed, stream);
        if (error != cudaSuccess) return error;
    }
    const Launches list = launches(layer, in.rows, in.sequences);
    for (int i = 0; i < list.count; ++i) {
        const Launch& launch = list.launch[i];
        void* parameters[] = {&a};
        const cudaError_t error = cudaLaunchKernel(launch.kernel.function, launch.grid,
                                                   launch.block, parameters, 0, stream);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

}  // namespace ltp::cuda
