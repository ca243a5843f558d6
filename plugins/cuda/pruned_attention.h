// ltp::pruned_attention on a GPU: launches the kernels of this folder. What the op means is in
// ltp_deploy/model/op.py and reference.py.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "common/pruning_rule.h"

namespace ltp::cuda {

/// What is fixed when an engine is built.
struct Layer {
    int heads = 0;
    int head_size = 0;  ///< a multiple of 8, at most 128
    PruningRule rule;
    Carry carry = Carry::All;
};

/// T rows of B sequences, all on the device. d = heads * head_size.
struct Inputs {
    int rows = 0;                 ///< T: rows of the buffers; offsets[B] of them are in use
    int sequences = 0;            ///< B
    const __half* qkv;            ///< [T, 3d]
    const std::int32_t* offsets;  ///< [B+1]
    const std::int32_t* alive;    ///< [T]
    const std::int32_t* lengths;  ///< [B]
};

/// All on the device, but for `count`, which may be the host's, pinned: it is written before the
/// rows are, so that the host can go on meanwhile. T' = T where the carry is All or Bounded, B
/// where it is First, and *count, which is at most T, where it is Survivors. Padding (All: the rows
/// after offsets[B]; Bounded: those after the survivors) is not alive and zero, as is the row of an
/// empty sequence where the carry is First; `kept` is a valid index in all rows.
struct Outputs {
    __half* context;        ///< [T', d]
    std::int32_t* kept;     ///< [T']
    std::int32_t* offsets;  ///< [B+1]
    std::int32_t* alive;    ///< [T']
    std::int32_t* count;    ///< [] Survivors, Bounded: how many rows are carried; or null
};

/// Bytes of scratch memory that the layer needs for up to this many rows and sequences.
std::size_t workspace_bytes(const Layer& layer, int rows, int sequences);

/// Loads all kernels on the current device, so that their first launch may be captured in a graph.
/// Attention asks for all shared memory: of the smaller share on a T4 one block fits, not three.
cudaError_t load_kernels();

/// Enqueues the layer on `stream`, as one or two kernels and perhaps a memset; nothing is waited
/// for, and all of it can be captured in a graph. `workspace` is aligned to 256 bytes, qkv and
/// context to 16. Whatever the inputs hold, no memory outside the buffers is touched.
cudaError_t pruned_attention(const Layer& layer, const Inputs& in, const Outputs& out,
                             void* workspace, cudaStream_t stream);

}  // namespace ltp::cuda
