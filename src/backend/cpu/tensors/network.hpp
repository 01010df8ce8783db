// SPDX-License-Identifier: Apache-2.0
// Networks that rows of pixels cannot carry (steps.hpp): attention, norms, whole-picture means, reshapes. Node by node
// over whole tensors, each on all threads.
//
// Pictures, and what is one number per channel, lie as rows of channel-last pixels, as the kernels want them; everything
// else as the reference has it. An operation without code of its own here runs as the reference runs it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cpu/memory.hpp"
#include "backend/cpu/steps.hpp"
#include "graph/graph.hpp"
#include "kernels/table.hpp"
#include "plan/chains.hpp"
#include "plan/stages.hpp"

namespace enlarge::cpu::tensors {

// A convolution made ready.
struct Convolution {
    enum class Kind {
        direct,     // output by output
        winograd,   // F(4x4,3x3)
        parts,      // a large kernel as a sum of such ones, three rows and columns each
        depthwise,  // each channel by itself
        grouped,    // groups of channels, direct
    };
    Kind kind = Kind::direct;
    op::Conv2d op;             // without its numbers; of parts, with zeros below and to the right up to whole parts
    // Whether blocks of 4x4 results are computed as one.
    [[nodiscard]] bool in_blocks() const { return kind == Kind::winograd || kind == Kind::parts; }
    int terms = 0;             // products of so many bfloat16 terms: winograd, and direct of one tap; 0: of floats
    int in_group = 0;          // channels of the input that an output sums, padded where there is one group
    int out_group = 0;         // outputs of a group, padded
    std::vector<Group> groups; // of output channels, of each group of the convolution
    Block weights;
    std::size_t group_weights = 0;  // floats of a group of the convolution
    std::vector<float> bias, slope;  // padded; one after another for groups of the convolution
    Epilogue epilogue;         // without pointers
    std::optional<Map> map;    // what follows number by number
    // From output `channel` on.
    [[nodiscard]] Epilogue epilogue_at(int channel) const {
        Epilogue e = epilogue;
        e.bias = bias.data() + channel;
        e.slope = slope.data() + channel;
        return e;
    }
};

// What is added to an attention's scores, as KernelTable::attention_f32 wants it: of a head and a strip of queries, key
// j's numbers begin at values + head * head_floats + key[place of j] + strip[index of the strip].
struct AttentionBias {
    std::vector<float> values;
    std::ptrdiff_t head_floats = 0;
    std::vector<std::ptrdiff_t> key, strip;
};

// What is computed at once: a node, or a convolution with what follows it.
struct Step {
    int node = 0;       // whose result it is
    int operation = 0;  // the node that says what is computed: the convolution of a chain
    std::vector<int> inputs;     // nodes: the operation's own, then the chain's residuals
    bool plain = false;          // as the reference does it
    int grid = 0;                // of channel attention between pixels so far apart: plan/grids.hpp
    std::optional<Convolution> convolution;
    std::vector<float> scale, shift;  // of norms and scales: padded
    AttentionBias bias;               // of attention
};

// Queries that KernelTable::attention_f32 takes at a time.
inline int attention_strip(const KernelTable& kernels) { return 2 * kernels.lanes; }

// Columns of zeros that readers of a node's result want beside it.
struct Border {
    int left = 0, right = 0;
};

struct PreparedNetwork {
    Graph graph;
    std::vector<Step> steps;         // the first is the picture
    std::vector<int> all;            // 0 ... steps.size() - 1
    // Steps that work pixel by pixel are computed together for a few pixels at a time, while these are in a cache.
    std::vector<int> end;  // by step: the first that is not computed together with it
    std::vector<int>
        within;  // by node: the step that makes it, where it is read by steps together with that alone; or -1
    std::vector<Border> border;      // by node
    std::vector<bool> pixels;        // by node: whether it lies as pixels
    int alignment = 1, halo = 0;
    std::int64_t scratch_floats = 0;  // that convolutions, and what goes together, take for each thread
    int operations_in_plain_loops = 0;
    std::string first_plain;         // the name of one of those
    std::unique_ptr<const Stages> stages;  // of networks that read the whole picture
};

// Fails with Errc::unsupported where the graph takes several inputs, or has another number of channels at its end.
Result<std::shared_ptr<const PreparedNetwork>> prepare(const Graph& graph, const KernelTable& kernels, ThreadPool* pool);

// Where a node's result lies for a picture of a given size.
struct Layout {
    bool pixels = false;
    std::vector<std::int64_t> sides;
    int channels = 0, padded = 0, width = 0, height = 0, left = 0;  // of pixels
    std::ptrdiff_t row_floats = 0;
    std::int64_t floats = 0;
    std::int64_t offset = 0;  // in the arena
};

// Fails with Errc::argument when the picture is too small for the network.
Result<Layout> layout_of(const PreparedNetwork& network, int node, Size picture, int lanes);

struct Layouts {
    std::vector<Layout> nodes;         // of those that the steps make and read
    std::int64_t arena_floats = 0;     // for what they make
    std::int64_t zero_row_floats = 0;  // the longest row
    std::int64_t plain_floats = 0;     // copies for plain loops, at most
    [[nodiscard]] std::int64_t bytes() const { return (arena_floats + plain_floats) * std::int64_t{sizeof(float)}; }
};

// Of steps as if a picture of this size were all there is. The same failure. `together`: as PreparedNetwork::end has
// them, all steps; else each by itself.
Result<Layouts> lay_out(const PreparedNetwork& network, std::span<const int> steps, Size picture, int lanes,
                        bool together);

// What threads take for themselves: batches of Winograd blocks, attention, lines of pixels.
std::int64_t scratch_bytes(const PreparedNetwork& network, const ThreadPool* pool);

std::unique_ptr<Program> make_program(std::shared_ptr<const PreparedNetwork> network, const KernelTable& kernels, ThreadPool* pool,
                                      const std::string& isa);

}  // namespace enlarge::cpu::tensors
