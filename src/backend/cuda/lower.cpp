// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/lower.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <tuple>

#include "backend/cuda/pack.hpp"
#include "plan/chains.hpp"
#include "plan/concats.hpp"
#include "plan/picture_end.hpp"

namespace enlarge::cuda {
namespace {

constexpr std::size_t kConstantAlignment = 256;

bool is_activation(const Node& n) { return n.is<op::Prelu>() || n.is<op::LeakyRelu>() || n.is<op::Silu>(); }

// Where the node is a convolution that keeps the size: the side of its kernel. Else 0.
int kernel_of(const Node& n) {
    const auto* conv = n.as<op::Conv2d>();
    return conv ? conv->same_kernel() : 0;
}

// What kernels exist for.
bool supported(const Node& n) {
    if (!n.picture()) return false;
    if (const auto* join = n.as<op::Concat>(); join && join->axis != 0 && join->axis != -3) return false;
    if (n.is<op::Conv2d>()) return kernel_of(n) == 1 || kernel_of(n) == 3;
    return is_activation(n) || n.is<op::Input>() || n.is<op::Add>() || n.is<op::Concat>() || n.is<op::PixelShuffle>() ||
           n.is<op::PixelUnshuffle>() || n.is<op::UpsampleNearest>() || n.is<op::ScaleShift>() || n.is<op::SpanGate>();
}

// A convolution and what is computed with it.
struct Group {
    int conv = 0;
    int last = 0;               // node whose value comes out
    int input = 0;              // node that is read
    int up = 0;
    int activation = kPrelu;
    int activation_node = -1;
    float alpha = 1;
    std::vector<std::pair<int, float>> residuals;
};

class Lowering {
public:
    Lowering(const Graph& graph, const LowerOptions& options)
        : graph_(graph), nodes_(graph.nodes()), options_(options) {}

    Result<Lowered> run() {
        const int count = static_cast<int>(nodes_.size());
        for (int i = 0; i < count; ++i)
            if (!supported(node(i)) || (i > 0 && node(i).is<op::Input>()) || broadcasts(i))
                return Error{Errc::unsupported, "the CUDA backend has no kernel for node " + std::to_string(i) + " (" +
                                                    std::string(node(i).name()) + ")"};
        users_ = users_of(graph_);
        const int out_channels = nodes_.back().channels;
        if (out_channels > 4 || nodes_.front().channels > 4)
            return Error{Errc::unsupported, "CUDA: pictures of " + std::to_string(std::max(out_channels, nodes_.front().channels)) +
                                                " channels; at most 4"};
        result_.channels = out_channels;
        group_of_.assign(nodes_.size(), -1);
        if (options_.half && !options_.plain) {
            find_last();
            find_groups();
        }
        find_needed();
        views_.assign(nodes_.size(), View{});
        place_concats();
        for (int i = 0; i < count; ++i) emit(i);
        if (last_conv_ < 0) {
            Step& step = add_step(Step::Kind::store, options_.half ? "store_pixels_f16" : "store_pixels_f32", count - 1);
            step.in = use(count - 1);
        }
        return std::move(result_);
    }

private:
    [[nodiscard]] const Node& node(int i) const { return nodes_[static_cast<std::size_t>(i)]; }
    [[nodiscard]] const std::vector<int>& users(int i) const { return users_[static_cast<std::size_t>(i)]; }
    // The only user of a node, or -1.
    [[nodiscard]] int sole_user(int i) const { return users(i).size() == 1 ? users(i)[0] : -1; }
    [[nodiscard]] bool is_output(int i) const { return i + 1 == static_cast<int>(nodes_.size()); }

    // Operands of different shapes.
    [[nodiscard]] bool broadcasts(int i) const {
        const auto other = [&](int from) { return node(from).shape != node(i).shape; };
        return node(i).is<op::Add>() && std::any_of(node(i).inputs.begin(), node(i).inputs.end(), other);
    }

    // The picture, or the picture scaled and shifted.
    [[nodiscard]] bool is_picture(int i) const {
        return i == 0 || (node(i).is<op::ScaleShift>() && node(i).inputs[0] == 0);
    }

    // The end that conv_last computes: the convolution, pixel shuffle, the picture added.
    void find_last() {
        const PictureEnd end = find_end(graph_, users_);
        const Node& conv = node(end.source);
        if (kernel_of(conv) != 3 || end.shuffle > 4 || is_picture(conv.inputs[0])) return;
        if (!is_output(end.source) && users(end.source).size() != 1) return;
        const int channels = conv.channels / (end.shuffle * end.shuffle);
        if (node(conv.inputs[0]).channels > 64 || (channels != 1 && channels != 3)) return;
        if (end.adds_input && channels != nodes_.front().channels) return;
        last_conv_ = end.source;
        last_factor_ = end.shuffle;
        last_residual_ = end.adds_input;
        Group group;
        group.conv = end.source;
        group.last = static_cast<int>(nodes_.size()) - 1;
        group.input = conv.inputs[0];
        std::vector<int> absorbed = end.nodes;
        absorbed.push_back(end.source);
        claim(group, absorbed);
    }

    void claim(const Group& group, const std::vector<int>& members) {
        groups_.push_back(group);
        for (const int m : members) group_of_[static_cast<std::size_t>(m)] = static_cast<int>(groups_.size()) - 1;
    }
    [[nodiscard]] bool claimed(int i) const { return group_of_[static_cast<std::size_t>(i)] >= 0; }

    void find_groups() {
        ChainRules rules;
        rules.begins = [](const Node&) { return true; };
        rules.activation = [](const Node& n) { return is_activation(n); };
        rules.gate = [](const Node& n) { return n.is<op::SpanGate>(); };
        rules.sums = [this](const Node& conv) { return !is_picture(read_by(conv).first); };
        rules.residual = [](int) { return true; };
        rules.outside = [this](int node) { return claimed(node); };
        for (const Chain& chain : find_chains(graph_, rules))
            if (!claimed(chain.conv)) claim(group_of(chain), chain.nodes);
    }

    // What a convolution reads, and by how many doublings it is enlarged on the way.
    [[nodiscard]] std::pair<int, int> read_by(const Node& conv) const {
        const int from = conv.inputs[0];
        const auto* up = node(from).as<op::UpsampleNearest>();
        if (!up || (up->factor != 2 && up->factor != 4) || node(from).inputs[0] == 0) return {from, 0};
        return {node(from).inputs[0], up->factor == 2 ? 1 : 2};
    }

    [[nodiscard]] Group group_of(const Chain& chain) const {
        Group group;
        group.conv = chain.conv;
        group.last = chain.last;
        std::tie(group.input, group.up) = read_by(node(chain.conv));
        if (chain.activation >= 0) {
            group.activation = node(chain.activation).is<op::Silu>() ? kSilu : kPrelu;
            group.activation_node = chain.activation;
        }
        if (chain.gate) {
            group.activation = kGate;
            group.residuals.emplace_back(chain.residuals[0], 1.0F);
        }
        for (std::size_t i = 0; i < chain.keep.size(); ++i) {
            group.alpha *= chain.keep[i];
            for (auto& r : group.residuals) r.second *= chain.keep[i];
            group.residuals.emplace_back(chain.residuals[i], chain.mix[i]);
        }
        return group;
    }

    // The first layer as conv_first computes it.
    [[nodiscard]] bool is_first(const Group& group) const {
        const int channels = nodes_.front().channels;
        return is_picture(group.input) && group.up == 0 && group.residuals.empty() && group.activation == kPrelu &&
               kernel_of(node(group.conv)) == 3 && (channels == 1 || channels == 3) && group.conv != last_conv_;
    }

    // Which nodes must exist in memory.
    void find_needed() {
        needed_.assign(nodes_.size(), false);
        if (last_conv_ < 0) needed_.back() = true;
        const auto need = [&](int i) { needed_[static_cast<std::size_t>(i)] = true; };
        for (int i = static_cast<int>(nodes_.size()) - 1; i > 0; --i) {
            const int g = group_of_[static_cast<std::size_t>(i)];
            if (g >= 0) {
                const Group& group = groups_[static_cast<std::size_t>(g)];
                if (i != group.last) continue;
                if (!is_first(group)) need(group.input);
                for (const auto& r : group.residuals) need(r.first);
            } else if (needed_[static_cast<std::size_t>(i)]) {
                if (node(i).is<op::PixelUnshuffle>() && node(i).inputs[0] == 0) continue;  // folded into loading
                for (const int from : node(i).is<op::Concat>() ? parts_of_concat(graph_, i) : node(i).inputs) need(from);
            }
        }
    }

    int new_buffer(int channels, int num, int den) {
        result_.buffers.push_back({(channels + kSlice - 1) / kSlice, num, den, -1, -1, options_.half ? 16 : 32});
        return static_cast<int>(result_.buffers.size()) - 1;
    }

    // Parts lie side by side in whole slices; those that cannot are copied by emit_concat().
    void place_concats() {
        ConcatRules rules;
        rules.block = kSlice;
        rules.some = true;
        rules.needed = [this](int concat) { return needed_[static_cast<std::size_t>(concat)]; };
        const ConcatPlaces places = enlarge::place_concats(graph_, rules);
        for (const ConcatPlaces::Buffer& buffer : places.buffers) {
            const Node& concat = node(buffer.concat);
            new_buffer(concat.channels, concat.num, concat.den);
        }
        for (int i = 0; i < static_cast<int>(nodes_.size()); ++i)
            if (const ConcatPlaces::Place& place = places.of[static_cast<std::size_t>(i)]; place.buffer >= 0)
                views_[static_cast<std::size_t>(i)] = {place.buffer, place.block, node(i).channels, node(i).num, node(i).den};
    }

    Step& add_step(Step::Kind kind, std::string kernel, int at) {
        Step step;
        step.kind = kind;
        step.kernel = std::move(kernel);
        step.node = at;
        result_.steps.push_back(std::move(step));
        return result_.steps.back();
    }
    [[nodiscard]] int step_index() const { return static_cast<int>(result_.steps.size()) - 1; }
    void touch(int buffer) {
        BufferInfo& b = result_.buffers[static_cast<std::size_t>(buffer)];
        if (b.first_step < 0) b.first_step = step_index();
        b.last_step = step_index();
    }
    View use(int i) {
        const View v = views_[static_cast<std::size_t>(i)];
        touch(v.buffer);
        return v;
    }
    View define(int i) {
        View& v = views_[static_cast<std::size_t>(i)];
        if (v.buffer < 0)
            v = {new_buffer(node(i).channels, node(i).num, node(i).den), 0, node(i).channels, node(i).num, node(i).den};
        touch(v.buffer);
        return v;
    }

    template <class T>
    std::size_t constant(std::span<const T> values) {
        auto& all = result_.constants;
        const std::size_t at = (all.size() + kConstantAlignment - 1) / kConstantAlignment * kConstantAlignment;
        all.resize(at + values.size_bytes());
        if (!values.empty()) std::memcpy(all.data() + at, values.data(), values.size_bytes());
        return at;
    }
    template <class T>
    std::size_t constant(const std::vector<T>& values) { return constant(std::span<const T>(values)); }

    [[nodiscard]] ConvWeights weights_of(int conv) const {
        const Node& n = node(conv);
        const auto& op = *n.as<op::Conv2d>();
        return {*op.weights, *op.bias, node(n.inputs[0]).channels, n.channels, op.kernel_h};
    }

    // One slope per channel: 1 without activation.
    [[nodiscard]] std::vector<float> slopes(const Group& group, int channels) const {
        if (group.activation_node < 0 || group.activation != kPrelu) return std::vector<float>(static_cast<std::size_t>(channels), 1.0F);
        const Node& n = node(group.activation_node);
        if (const auto* leaky = n.as<op::LeakyRelu>())
            return std::vector<float>(static_cast<std::size_t>(channels), leaky->slope);
        return *n.as<op::Prelu>()->slopes;
    }

    void emit(int i) {
        const int g = group_of_[static_cast<std::size_t>(i)];
        if (g >= 0) {
            const Group& group = groups_[static_cast<std::size_t>(g)];
            if (i == group.last) {
                emit_group(group);
                result_.steps.back().conv = group.conv;
            }
            return;
        }
        if (needed_[static_cast<std::size_t>(i)]) emit_plain(i);
    }

    void emit_group(const Group& group) {
        const ConvWeights conv = weights_of(group.conv);
        const int in_chunks = (conv.in + 15) / 16, chunks = std::max(2, in_chunks);
        if (group.conv == last_conv_) {
            Step& step = add_step(Step::Kind::last, "conv_last" + std::to_string(chunks * 16), group.last);
            std::vector<float> bias;
            step.weights = constant(pack_last(conv, chunks, last_factor_, bias));
            step.bias = constant(bias);
            step.chunks = chunks;
            step.factor = last_factor_;
            step.with_residual = last_residual_;
            step.in = use(group.input);
            return;
        }
        const std::vector<float> slope = slopes(group, conv.out);
        const bool simple = group.residuals.empty() && group.up == 0 && conv.kernel == 3 && group.alpha == 1;
        if (is_first(group)) {
            Step& step = add_step(Step::Kind::first, "conv_first", group.last);
            step.weights = constant(pack_first(conv));
            step.bias = constant(pack_bias_slope(conv.bias, slope, (conv.out + 7) / 8 * 8));
            if (const auto* norm = node(group.input).as<op::ScaleShift>())
                for (std::size_t c = 0; c < 3 && c < norm->scale->size(); ++c) {
                    step.scale[c] = (*norm->scale)[c];
                    step.shift[c] = (*norm->shift)[c];
                }
            if (const int k = quantised_consumer(group.last); k >= 0) {
                std::vector<float> inverse(options_.quantisation->steps[static_cast<std::size_t>(k)]);
                for (float& v : inverse) v = 1 / v;
                step.factors = constant(inverse);
                step.s8_out = true;
                define_s8(group.last);
            }
            step.out = define(group.last);
            return;
        }
        if (options_.quantisation && emit_s8(group, conv, slope)) return;
        const bool silu_rows = group.activation == kSilu && chunks == 3;
        if (simple && chunks <= 4 && conv.out <= 64 && (group.activation == kPrelu || silu_rows)) {
            const bool full = conv.in == 64 && conv.out == 64;
            const bool hopper = full && options_.hopper;
            std::string kernel = "conv" + std::to_string(chunks * 16) + (silu_rows ? "_silu" : "_f32acc");
            if (chunks == 4 && options_.half_accumulation) kernel = "conv64_f16acc";
            if (hopper) kernel = "conv64_hopper";
            Step& step = add_step(hopper ? Step::Kind::hopper : Step::Kind::rows, kernel, group.last);
            if (hopper) step.upwards = upwards_ = !upwards_;
            step.chunks = chunks;
            step.warps = (conv.out + 15) / 16;
            step.weights = constant(hopper ? pack_hopper(conv) : pack_rows(conv, chunks, step.warps));
            step.bias = constant(pack_bias_slope(conv.bias, slope, 64));
            step.in = use(group.input);
            step.out = define(group.last);
            return;
        }
        const int tiles = conv.out > 32 ? 8 : 4;
        Step& step = add_step(Step::Kind::stream, tiles == 8 ? "conv_stream64" : "conv_stream32", group.last);
        step.tiles = tiles;
        step.chunks = in_chunks;
        step.taps = conv.kernel * conv.kernel;
        step.weights = constant(pack_stream(conv, tiles));
        step.bias = constant(pack_bias_slope(conv.bias, slope, (conv.out + tiles * 8 - 1) / (tiles * 8) * tiles * 8));
        step.activation = group.activation;
        step.up = group.up;
        step.alpha = group.alpha;
        step.in = use(group.input);
        for (std::size_t k = 0; k < group.residuals.size(); ++k) {
            step.residual[k] = use(group.residuals[k].first);
            step.beta[k] = group.residuals[k].second;
        }
        step.out = define(group.last);
    }

    // Position in the quantised chain of the convolution that alone reads this value, or -1.
    [[nodiscard]] int quantised_consumer(int i) const {
        if (!options_.quantisation) return -1;
        const auto& chain = options_.quantisation->nodes;
        const auto it = std::find(chain.begin(), chain.end(), sole_user(i));
        return it == chain.end() ? -1 : static_cast<int>(it - chain.begin());
    }
    // 64 channels in 4 slices of 16.
    void define_s8(int i) { views_[static_cast<std::size_t>(i)] = {new_buffer(32, node(i).num, node(i).den), 0, 64, node(i).num, node(i).den}; }

    // A convolution of the quantised chain: 8 bits in; 8 bits out, or half precision at the end.
    bool emit_s8(const Group& group, const ConvWeights& conv, const std::vector<float>& slope) {
        const Quantisation& q = *options_.quantisation;
        const auto it = std::find(q.nodes.begin(), q.nodes.end(), group.conv);
        if (it == q.nodes.end()) return false;
        const std::vector<float>& in_step = q.steps[static_cast<std::size_t>(it - q.nodes.begin())];
        const int next = quantised_consumer(group.last);
        const bool hopper = options_.hopper && next >= 0;
        Step& step = add_step(hopper ? Step::Kind::hopper_s8 : Step::Kind::rows_s8, hopper ? "conv64_s8_hopper" : "conv64_s8", group.last);
        if (hopper) step.upwards = upwards_ = !upwards_;
        std::vector<std::int8_t> quantised(conv.weights.size());
        std::vector<float> factors;
        for (std::size_t o = 0; o < 64; ++o) {
            const auto weight = [&](std::size_t i) { return conv.weights[o * 576 + i] * in_step[i / 9]; };
            float most = 1e-20F;
            for (std::size_t i = 0; i < 576; ++i) most = std::max(most, std::fabs(weight(i)));
            const float scale = most / 127;
            for (std::size_t i = 0; i < 576; ++i) quantised[o * 576 + i] = static_cast<std::int8_t>(std::lround(weight(i) / scale));
            const float out_step = next >= 0 ? q.steps[static_cast<std::size_t>(next)][o] : 1.0F;
            for (const float f : {scale / out_step, conv.bias[o] / out_step, slope[o] - 1, 0.0F}) factors.push_back(f);
        }
        step.weights = constant(hopper ? pack_s8_hopper(quantised) : pack_s8(quantised));
        step.factors = constant(factors);
        step.s8_out = next >= 0;
        step.in = use(group.input);
        if (next >= 0) define_s8(group.last);
        step.out = define(group.last);
        return true;
    }

    [[nodiscard]] std::string typed(const char* name) const { return std::string(name) + (options_.half ? "_f16" : "_f32"); }

    void emit_move(int i, MoveOp op, int factor) {
        Step& step = add_step(Step::Kind::move, typed("move"), i);
        step.op = op;
        step.factor = factor;
        step.in = use(node(i).inputs[0]);
        step.out = define(i);
        step.out_channels = node(i).channels;
    }

    void emit_point(int i, PointOp op, const Values& weights = {}, const Values& bias = {}, float alpha = 0,
                    float beta = 0) {
        const Node& n = node(i);
        Step& step = add_step(Step::Kind::pointwise, typed("pointwise"), i);
        step.op = op;
        step.alpha = alpha;
        step.beta[0] = beta;
        if (weights) step.weights = constant(*weights);
        if (bias) step.bias = constant(*bias);
        step.in = use(n.inputs[0]);
        if (n.inputs.size() > 1) step.in2 = use(n.inputs[1]);
        step.out = define(i);
    }

    void emit_load(int i, int factor) {
        Step& step = add_step(Step::Kind::load, typed("load_pixels"), i);
        step.factor = factor;
        step.out_channels = node(i).channels;
        step.out = define(i);
    }

    void emit_conv(int i) {
        const ConvWeights conv = weights_of(i);
        Step& step = add_step(Step::Kind::conv_plain, typed("conv_plain"), i);
        step.weights = constant(std::span<const float>(conv.weights));
        step.bias = constant(std::span<const float>(conv.bias));
        step.kernel_size = conv.kernel;
        step.in_channels = conv.in;
        step.out_channels = conv.out;
        step.in = use(node(i).inputs[0]);
        step.out = define(i);
    }

    void emit_plain(int i) {
        const Node& n = node(i);
        if (n.is<op::Input>())
            emit_load(i, 1);
        else if (n.is<op::Conv2d>())
            emit_conv(i);
        else if (const auto* prelu = n.as<op::Prelu>())
            emit_point(i, kPointPrelu, prelu->slopes);
        else if (const auto* leaky = n.as<op::LeakyRelu>())
            emit_point(i, kPointLeaky, {}, {}, leaky->slope);
        else if (n.is<op::Silu>())
            emit_point(i, kPointSilu);
        else if (const auto* sum = n.as<op::Add>())
            emit_point(i, kPointAdd, {}, {}, sum->alpha, sum->beta);
        else if (const auto* norm = n.as<op::ScaleShift>())
            emit_point(i, kPointScaleShift, norm->scale, norm->shift);
        else if (n.is<op::SpanGate>())
            emit_point(i, kPointSpanGate);
        else if (const auto* shuffle = n.as<op::PixelShuffle>())
            emit_move(i, kMoveShuffle, shuffle->factor);
        else if (const auto* up = n.as<op::UpsampleNearest>())
            emit_move(i, kMoveNearest, up->factor);
        else if (n.is<op::Concat>())
            emit_concat(i);
        else if (const auto* unshuffle = n.as<op::PixelUnshuffle>()) {
            if (n.inputs[0] == 0)
                emit_load(i, unshuffle->factor);
            else
                emit_move(i, kMoveUnshuffle, unshuffle->factor);
        }
    }

    // Copies the parts that do not lie where the concatenation is.
    void emit_concat(int i) {
        const std::vector<int> parts = parts_of_concat(graph_, i);
        const View whole = views_[static_cast<std::size_t>(i)];
        int channel = 0;
        for (const int part : parts) {
            const View v = views_[static_cast<std::size_t>(part)];
            const bool there = v.buffer == whole.buffer && v.first_slice == whole.first_slice + channel / kSlice && channel % kSlice == 0;
            if (!there) {
                Step& step = add_step(Step::Kind::move, typed("move"), i);
                step.op = kMoveCopy;
                step.out_first = channel;
                step.out_channels = node(part).channels;
                step.in = use(part);
                step.out = whole;
                touch(whole.buffer);
            }
            channel += node(part).channels;
        }
    }

    const Graph& graph_;
    const std::vector<Node>& nodes_;
    const LowerOptions& options_;
    Lowered result_;
    std::vector<std::vector<int>> users_;
    std::vector<int> group_of_;       // index into groups_, or -1
    std::vector<Group> groups_;
    std::vector<bool> needed_;
    std::vector<View> views_;
    bool upwards_ = false;  // the last step of a Hopper kernel
    int last_conv_ = -1, last_factor_ = 1;
    bool last_residual_ = false;
};

}  // namespace

Result<Lowered> lower(const Graph& graph, const LowerOptions& options) {
    TRY(graph.validate());
    return Lowering(graph, options).run();
}

std::vector<int> quantisable(const Graph& graph) {
    const auto& nodes = graph.nodes();
    std::vector<std::vector<int>> users(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i)
        for (const int from : nodes[i].inputs) users[static_cast<std::size_t>(from)].push_back(static_cast<int>(i));
    const auto at = [&](int i) -> const Node& { return nodes[static_cast<std::size_t>(i)]; };
    const auto sole = [&](int i) { return users[static_cast<std::size_t>(i)].size() == 1 ? users[static_cast<std::size_t>(i)][0] : -1; };
    std::vector<int> chain;
    const int channels = graph.input_channels();
    if (channels != 1 && channels != 3) return chain;
    // Walks conv, activation, conv, activation ... from a convolution of the picture.
    for (std::size_t first = 0; first < nodes.size() && chain.empty(); ++first) {
        const Node& conv = nodes[first];
        if (kernel_of(conv) != 3 || conv.inputs[0] != 0 || conv.channels != 64) continue;
        int value = static_cast<int>(first);
        for (;;) {
            const int next = sole(value);
            if (next < 0) break;
            if ((at(next).is<op::Prelu>() || at(next).is<op::LeakyRelu>()) && at(value).is<op::Conv2d>()) {
                value = next;
                continue;
            }
            if (kernel_of(at(next)) != 3 || at(next).channels != 64 || at(value).channels != 64) break;
            chain.push_back(next);
            value = next;
        }
        // What follows the last one must not be fused into it: the 8-bit kernels have no residuals, gates or SiLU.
        const int after = sole(value);
        if (!chain.empty() && after >= 0 &&
            (at(after).is<op::Add>() || at(after).is<op::SpanGate>() || at(after).is<op::Silu>()))
            chain.pop_back();
    }
    return chain;
}

}  // namespace enlarge::cuda
