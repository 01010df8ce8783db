// SPDX-License-Identifier: Apache-2.0
// Every op of graph.hpp as a plain loop over float planes. The truth for all other backends.
#pragma once

#include <vector>

#include "base/thread_pool.hpp"
#include "enlarge/image.hpp"
#include "graph/graph.hpp"

namespace enlarge::reference {

// channels planes of height x width, packed.
struct Planes {
    int channels = 0;
    Size size;
    std::vector<float> values;

    [[nodiscard]] std::size_t plane_size() const {
        return static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height);
    }
    [[nodiscard]] const float* row(int channel, int y) const {
        return values.data() + plane_size() * static_cast<std::size_t>(channel) +
               static_cast<std::size_t>(size.width) * static_cast<std::size_t>(y);
    }
    float* row(int channel, int y) { return const_cast<float*>(static_cast<const Planes*>(this)->row(channel, y)); }
};

// Runs one op (not `input`). `out.channels` and `out.size` are set; `in` are the inputs in the node's order. With a pool
// the rows are shared out among its threads; each result is computed by one thread in one order, so nothing changes.
void run_op(const Node& node, const std::vector<const Planes*>& in, Planes& out, ThreadPool* pool);

}  // namespace enlarge::reference
