// SPDX-License-Identifier: Apache-2.0
// From a graph to steps with packed weights.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "backend/cpu/tensors/attention_bias.hpp"
#include "backend/cpu/tensors/session.hpp"
#include "backend/cpu/tensors/together.hpp"
#include "graph/traits.hpp"
#include "plan/arena.hpp"
#include "plan/grids.hpp"
#include "plan/transposed.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

std::optional<Map> map_of(const Node& node) {
    if (const auto* gelu = node.as<op::Gelu>()) return gelu->tanh_form ? Map::gelu_tanh : Map::gelu;
    if (node.is<op::Mish>()) return Map::mish;
    if (node.is<op::Sigmoid>()) return Map::sigmoid;
    if (node.is<op::Tanh>()) return Map::tanh;
    return {};
}

// Whether there is code for an operation when everything that it reads and makes lies as pixels.
struct HasCode {
    bool operator()(const op::LayerNorm& op) const { return op.axis == 0; }
    bool operator()(const op::RmsNorm& op) const { return op.axis == 0; }
    bool operator()(const op::L2Norm& op) const { return op.axis == 0; }
    bool operator()(const op::Concat& op) const { return op.axis == 0; }
    bool operator()(const op::Slice& op) const { return op.axis == 0 && op.step == 1; }
    template <class T>
    bool operator()(const T&) const {
        return Compute::has_code<T>;
    }
};

// Nine taps at each pixel, of a picture that may be padded by one or become smaller.
bool is_winograd(const op::Conv2d& conv) {
    const auto small = [](int pad) { return pad == 0 || pad == 1; };
    return conv.kernel_h == 3 && conv.kernel_w == 3 && conv.stride_h == 1 && conv.stride_w == 1 && conv.dilation_h == 1 &&
           conv.dilation_w == 1 && conv.groups == 1 && small(conv.pad_top) && small(conv.pad_left) && small(conv.pad_bottom) &&
           small(conv.pad_right);
}

// A product for each pixel, of enough channels to be worth the making of terms.
bool is_one_product(const op::Conv2d& conv) {
    return conv.kernel_h == 1 && conv.kernel_w == 1 && conv.stride_h == 1 && conv.stride_w == 1 && conv.groups == 1 &&
           conv.pad_top == 0 && conv.pad_left == 0 && conv.pad_bottom == 0 && conv.pad_right == 0;
}

constexpr int kPart = 3;           // rows and columns of a part of a kernel
constexpr int kMostInParts = 128;  // channels: their planes are to stay in a cache

// A kernel of which F(4x4,3x3) takes few enough parts.
bool is_large(const op::Conv2d& conv) {
    return conv.kernel_h >= 5 && conv.kernel_w >= 5 && conv.stride_h == 1 && conv.stride_w == 1 &&
           conv.dilation_h == 1 && conv.dilation_w == 1 && conv.groups == 1;
}

bool is_depthwise(const op::Conv2d& conv, int in, int out) { return conv.groups > 1 && conv.groups == in && in == out; }

// Numbers as many as there are channels, with zeros behind them.
std::vector<float> padded(const Values& values, int channels, int lanes, float otherwise) {
    std::vector<float> result(static_cast<std::size_t>(round_up(channels, lanes)), 0.0F);
    for (int c = 0; c < channels; ++c)
        result[static_cast<std::size_t>(c)] = values ? (*values)[static_cast<std::size_t>(c)] : otherwise;
    return result;
}

class Preparation {
public:
    Preparation(const Graph& graph, const KernelTable& kernels, ThreadPool* pool)
        : kernels_(kernels), pool_(pool), network_(std::make_shared<PreparedNetwork>()), nodes_(network_->graph.nodes()) {
        network_->graph = with_plain_convolutions(graph);
        in_terms_ = kernels.fast_terms && fits_terms(network_->graph);
    }

    std::shared_ptr<const PreparedNetwork> run() {
        for (const Node& node : nodes_) network_->pixels.push_back(lies_as_pixels(node));
        network_->border.resize(nodes_.size());
        ChainRules rules;
        rules.begins = [this](const Node& n) {
            return n.as<op::Conv2d>()->groups == 1 && is_own(n);
        };
        rules.activation = [](const Node& n) {
            return n.is<op::Prelu>() || n.is<op::LeakyRelu>() || n.is<op::Silu>() || map_of(n);
        };
        rules.goes_on = [](const Node& n) { return !map_of(n); };
        rules.gate = [](const Node& n) { return n.is<op::SpanGate>(); };
        rules.residual = [this](int node) { return network_->pixels[static_cast<std::size_t>(node)]; };
        chains_ = find_chains(network_->graph, rules);
        chain_of_.assign(nodes_.size(), -1);
        for (std::size_t c = 0; c < chains_.size(); ++c)
            for (const int node : chains_[c].nodes) chain_of_[static_cast<std::size_t>(node)] = static_cast<int>(c);
        for (ChannelGrid& grid : find_channel_grids(network_->graph))
            if (network_->pixels[static_cast<std::size_t>(grid.input)] &&
                network_->pixels[static_cast<std::size_t>(grid.last)])
                grids_.push_back(std::move(grid));
        grid_of_.assign(nodes_.size(), -1);
        for (std::size_t g = 0; g < grids_.size(); ++g)
            for (const int node : grids_[g].nodes) grid_of_[static_cast<std::size_t>(node)] = static_cast<int>(g);
        for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) add_step(i);
        network_->all.resize(network_->steps.size());
        std::iota(network_->all.begin(), network_->all.end(), 0);
        find_what_goes_together(*network_);
        set_scratch();
        set_halo();
        if (network_->halo == kWholePicture) network_->stages = std::make_unique<Stages>(network_->graph, work_steps(), network_->alignment);
        return network_;
    }

private:
    [[nodiscard]] const Node& node(int i) const { return nodes_[static_cast<std::size_t>(i)]; }

    // Channels whose rows and columns are those of a picture, cropped or padded perhaps; or numbers, one per channel.
    static bool lies_as_pixels(const Node& node) {
        const Shape& s = node.shape;
        if (s.size() != 3 || !s[0].constant()) return false;
        const bool numbers = s[1] == Extent(1) && s[2] == Extent(1);
        return numbers || node.picture() || (!s[1].constant() && !s[2].constant());
    }

    // Whether there is code for a convolution.
    [[nodiscard]] bool is_own(const Node& what) const {
        const auto* conv = what.as<op::Conv2d>();
        return conv->kernel_h <= kMostTapRows && lies_as_pixels(what) && lies_as_pixels(node(what.inputs[0]));
    }

    void add_step(int i) {
        const int c = chain_of_[static_cast<std::size_t>(i)];
        const Chain* chain = c < 0 ? nullptr : &chains_[static_cast<std::size_t>(c)];
        if (chain && chain->last != i) return;
        if (const int g = grid_of_[static_cast<std::size_t>(i)]; g >= 0)
            return add_grid(grids_[static_cast<std::size_t>(g)], i);
        Step step;
        step.node = i;
        step.operation = chain ? chain->conv : i;
        step.inputs = node(step.operation).inputs;
        if (chain) step.inputs.insert(step.inputs.end(), chain->residuals.begin(), chain->residuals.end());
        const Node& what = node(step.operation);
        if (what.is<op::Conv2d>() && is_own(what))
            step.convolution = convolution(what, chain);
        else
            make_ready(step, what);
        if (step.plain && !what.is<op::Input>() && !what.is<op::Constant>()) {
            if (network_->operations_in_plain_loops++ == 0) network_->first_plain = what.name();
        }
        network_->steps.push_back(std::move(step));
    }

    void add_grid(const ChannelGrid& grid, int i) {
        if (grid.last != i) return;
        Step step;
        step.node = grid.last;
        step.operation = grid.attention;
        step.inputs = {grid.input};
        step.grid = grid.side;
        network_->steps.push_back(std::move(step));
    }

    // Numbers of norms and attention, padded.
    void make_ready(Step& step, const Node& what) const {
        bool pixels = network_->pixels[static_cast<std::size_t>(step.node)];
        for (const int from : step.inputs) pixels = pixels && network_->pixels[static_cast<std::size_t>(from)];
        step.plain = !pixels || !std::visit(HasCode{}, what.op);
        if (step.plain) return;
        const int lanes = kernels_.lanes, channels = what.channels;
        const auto numbers = [&](const Values& scale, const Values& shift) {
            step.scale = padded(scale, channels, lanes, 1);
            step.shift = padded(shift, channels, lanes, 0);
        };
        if (const auto* op = what.as<op::LayerNorm>(); op && op->axis == 0) numbers(op->scale, op->shift);
        if (const auto* op = what.as<op::RmsNorm>(); op && op->axis == 0) numbers(op->scale, {});
        if (const auto* op = what.as<op::L2Norm>(); op && op->axis == 0) numbers({}, {});
        if (const auto* op = what.as<op::GroupNorm>()) numbers(op->scale, op->shift);
        if (const auto* op = what.as<op::InstanceNorm>()) numbers(op->scale, op->shift);
        if (const auto* op = what.as<op::ScaleShift>()) numbers(op->scale, op->shift);
        if (const auto* op = what.as<op::Prelu>()) numbers(op->slopes, {});
        const int strip = attention_strip(kernels_);
        if (const auto* op = what.as<op::WindowAttention>()) {
            const Places window{op->window_h, op->window_w};
            step.bias = attention_bias(op->bias, op->heads, window, window, strip);
        }
        if (const auto* op = what.as<op::GridAttention>()) {
            const Places window{op->window_h, op->window_w};
            step.bias = attention_bias(op->bias, op->heads, window, window, strip);
        }
        if (const auto* op = what.as<op::OverlapAttention>())
            step.bias = attention_bias(op->bias, op->heads, {op->window, op->window}, {op->overlap, op->overlap}, strip);
    }

    Convolution convolution(const Node& what, const Chain* chain) {
        const auto& op = *what.as<op::Conv2d>();
        const int from = what.inputs[0], in = node(from).channels, out = what.channels;
        Convolution made;
        made.op = op;
        made.op.weights = made.op.bias = {};
        const int lanes = kernels_.lanes;
        if (is_depthwise(op, in, out))
            made.kind = Convolution::Kind::depthwise;
        else if (op.groups > 1)
            made.kind = Convolution::Kind::grouped;
        else if (is_winograd(op) && in >= lanes && out >= lanes && is_picture(what.shape))
            made.kind = Convolution::Kind::winograd;
        else if (is_large(op) && in >= lanes && out >= lanes && in <= kMostInParts && is_picture(what.shape)) {
            made.kind = Convolution::Kind::parts;
            const auto whole = [](int& taps, int& pad) {
                pad += round_up(taps, kPart) - taps;
                taps = round_up(taps, kPart);
            };
            whole(made.op.kernel_h, made.op.pad_bottom);
            whole(made.op.kernel_w, made.op.pad_right);
        }
        // A single tap is read without the padding, and so is what is much of it.
        const bool alone = (op.kernel_h == 1 && op.kernel_w == 1) ||
                           (made.kind == Convolution::Kind::direct && 4 * in <= 3 * round_up(in, lanes));
        made.in_group = op.groups > 1 || alone ? in / op.groups : round_up(in, lanes);
        made.out_group = round_up(out / op.groups, lanes);
        if (in_terms_ && in >= lanes && out >= lanes &&
            (made.kind == Convolution::Kind::winograd ||
             (made.kind == Convolution::Kind::direct && is_one_product(op))))
            made.terms = kMostTerms;
        if (made.kind == Convolution::Kind::depthwise) made.out_group = round_up(out, lanes);
        widen(from, made.op, made.in_blocks());
        if (made.kind == Convolution::Kind::winograd)
            pack_winograd(made, op, in, out);
        else if (made.terms > 0)
            pack_terms(made, op, in, out);
        else if (made.kind == Convolution::Kind::parts)
            pack_parts(made, op, in, out);
        else if (made.kind == Convolution::Kind::depthwise)
            pack_depthwise(made, op, out);
        else
            pack_direct(made, op, in, out);
        set_epilogue(made, op, out, chain);
        return made;
    }

    void widen(int from, const op::Conv2d& op, bool in_blocks) {
        Border& border = network_->border[static_cast<std::size_t>(from)];
        border.left = std::max(border.left, op.pad_left);
        border.right = std::max(border.right, op.pad_right + (in_blocks ? 3 : 0));
    }

    void pack_direct(Convolution& made, const op::Conv2d& op, int in, int out) const {
        const auto taps = static_cast<std::size_t>(op.kernel_h * op.kernel_w), deep = static_cast<std::size_t>(made.in_group);
        const int real_in = in / op.groups, real_out = out / op.groups;
        made.groups = make_groups(made.out_group, kernels_.lanes, taps * deep);
        made.group_weights = taps * deep * static_cast<std::size_t>(made.out_group);
        made.weights = Block(made.group_weights * static_cast<std::size_t>(op.groups) * sizeof(float));
        auto* const packed = made.weights.as<float>();
        std::memset(packed, 0, made.weights.bytes());
        const float* from = op.weights->data();
        for (int g = 0; g < op.groups; ++g)
            for (const Group& group : made.groups) {
                const int width = group.blocks * kernels_.lanes;
                float* const to = packed + static_cast<std::size_t>(g) * made.group_weights + group.weights;
                for (int n = 0; n < width && group.channel + n < real_out; ++n)
                    for (int i = 0; i < real_in; ++i)
                        for (std::size_t k = 0; k < taps; ++k)
                            to[(k * deep + static_cast<std::size_t>(i)) * static_cast<std::size_t>(width) + static_cast<std::size_t>(n)] =
                                from[(static_cast<std::size_t>(g * real_out + group.channel + n) * static_cast<std::size_t>(real_in) + static_cast<std::size_t>(i)) * taps + k];
            }
    }

    // Of one tap: pairs of channels of each group of outputs.
    void pack_terms(Convolution& made, const op::Conv2d& op, int in, int out) const {
        const std::ptrdiff_t deep = term_row(in, made.terms);
        made.groups = make_groups(made.out_group, kernels_.lanes, static_cast<std::size_t>(deep));
        made.weights = Block(static_cast<std::size_t>(deep * made.out_group) * sizeof(BFloat));
        for_all(pool_, made.groups.size(), [&](std::size_t g) {
            const Group& group = made.groups[g];
            const int width = group.blocks * kernels_.lanes;
            std::vector<float> rows(2 * static_cast<std::size_t>(width));
            for (int i = 0; i < round_up(in, kTermBlock); i += 2) {
                for (int j = 0; j < 2; ++j)
                    for (int n = 0; n < width; ++n) {
                        const int to = group.channel + n, from = term_channel(i + j);
                        rows[static_cast<std::size_t>(j * width + n)] =
                            to < out && from < in
                                ? (*op.weights)[static_cast<std::size_t>(to) * static_cast<std::size_t>(in) +
                                                static_cast<std::size_t>(from)]
                                : 0.0F;
                    }
                kernels_.weights_to_terms(rows.data(), width, i, 2, group.blocks, made.terms,
                                          made.weights.as<BFloat>() + group.weights);
            }
        });
    }

    void pack_depthwise(Convolution& made, const op::Conv2d& op, int channels) const {
        const auto taps = static_cast<std::size_t>(op.kernel_h * op.kernel_w), width = static_cast<std::size_t>(made.out_group);
        made.weights = Block(taps * width * sizeof(float));
        auto* const packed = made.weights.as<float>();
        std::memset(packed, 0, made.weights.bytes());
        for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
            for (std::size_t k = 0; k < taps; ++k) packed[k * width + c] = (*op.weights)[c * taps + k];
    }

    void pack_winograd(Convolution& made, const op::Conv2d& op, int in, int out) const {
        const auto map = [&](int channels) {
            std::vector<int> all(static_cast<std::size_t>(round_up(channels, kernels_.lanes)), -1);
            std::iota(all.begin(), all.begin() + channels, 0);
            return all;
        };
        cpu::Step step;
        step.kind = Kind::winograd;
        step.kernel = 3;
        step.terms = made.terms;
        const std::vector<int> ins = map(in), outs = map(out);
        const std::size_t bytes = packed_bytes(step, ins.size(), outs.size(), kernels_);
        auto block = std::make_shared<Block>(bytes);
        step.weights = {block, 0, bytes};
        pack_convolution(step, op.weights->data(), in, ins, outs, kernels_, pool_, nullptr);
        made.groups = step.groups;
        made.weights = std::move(*block);
    }

    // By part's row, position, output, part's column and input channel.
    void pack_parts(Convolution& made, const op::Conv2d& op, int in, int out) const {
        const int down = made.op.kernel_h / kPart, across = made.op.kernel_w / kPart, lanes = kernels_.lanes;
        const int deep = made.in_group;
        made.groups = make_groups(made.out_group, lanes, 0);
        const std::ptrdiff_t of_output = std::ptrdiff_t{across} * deep, of_position = of_output * made.out_group;
        made.weights = Block(static_cast<std::size_t>(36 * down * of_position) * sizeof(float));
        auto* const packed = made.weights.as<float>();
        const std::ptrdiff_t taps = std::ptrdiff_t{op.kernel_h} * op.kernel_w;
        for_all(pool_, static_cast<std::size_t>(down * made.out_group), [&](std::size_t piece) {
            const int row = static_cast<int>(piece) / made.out_group, o = static_cast<int>(piece) % made.out_group;
            std::vector<float> part(static_cast<std::size_t>(lanes) * kPart * kPart);
            std::vector<const float*> of_channel;
            for (int i = 0; i < lanes; ++i) of_channel.push_back(part.data() + std::ptrdiff_t{i} * kPart * kPart);
            for (int column = 0; column < across; ++column)
                for (int first = 0; first < deep; first += lanes) {
                    std::fill(part.begin(), part.end(), 0.0F);
                    float* to = part.data();
                    for (int i = first; i < first + lanes; ++i)
                        for (int y = kPart * row; y < kPart * (row + 1); ++y)
                            for (int x = kPart * column; x < kPart * (column + 1); ++x, ++to)
                                if (o < out && i < in && y < op.kernel_h && x < op.kernel_w)
                                    *to = (*op.weights)[static_cast<std::size_t>((std::ptrdiff_t{o} * in + i) * taps + y * op.kernel_w + x)];
                    kernels_.winograd_weights_f32(of_channel.data(), 1,
                                                  packed + 36 * row * of_position + o * of_output + column * deep + first,
                                                  of_position);
                }
        });
    }

    void set_epilogue(Convolution& made, const op::Conv2d& op, int out, const Chain* chain) const {
        const int real = made.kind == Convolution::Kind::depthwise ? out : out / op.groups;
        for (int g = 0; g * real < out; ++g)
            for (int n = 0; n < made.out_group; ++n)
                made.bias.push_back(n < real ? (*op.bias)[static_cast<std::size_t>(g * real + n)] : 0.0F);
        made.slope.assign(made.bias.size(), 1.0F);
        if (!chain) return;
        if (chain->activation >= 0) {
            const Node& activation = node(chain->activation);
            if (const auto* prelu = activation.as<op::Prelu>())
                std::copy(prelu->slopes->begin(), prelu->slopes->end(), made.slope.begin());
            if (const auto* leaky = activation.as<op::LeakyRelu>())
                std::fill(made.slope.begin(), made.slope.end(), leaky->slope);
            if (activation.is<op::Silu>()) made.epilogue.activation = Activation::silu;
            made.map = map_of(activation);
        }
        if (chain->gate) made.epilogue.activation = Activation::gate;
        made.epilogue.residuals = chain->gate ? 0 : static_cast<int>(chain->residuals.size());
        for (std::size_t k = 0; k < chain->keep.size(); ++k) {
            made.epilogue.keep[k] = chain->keep[k];
            made.epilogue.mix[k] = chain->mix[k];
        }
    }

    // Stage by stage, what goes together runs step by step.
    void set_scratch() {
        std::int64_t& most = network_->scratch_floats;
        for (const Step& step : network_->steps)
            if (step.convolution) {
                const int channels = round_up(node(step.inputs[0]).channels, kernels_.lanes);
                most = std::max(most, scratch_floats(*step.convolution, channels, kernels_));
            }
        for (std::size_t s = 0, end = 0; s < network_->steps.size(); s = end) {
            end = static_cast<std::size_t>(network_->end[s]);
            if (end - s > 1) most = std::max(most, together_floats(*network_, s, end, kernels_));
        }
    }

    // Blocks of Winograd are rounded as one, so that tiles have to keep them whole, and what a pixel sees grows to whole
    // blocks in each such layer.
    void set_halo() {
        int blocks = 1;
        std::int64_t further = 0;
        for (const Step& step : network_->steps)
            if (step.convolution && step.convolution->in_blocks()) {
                const Extent& rows = node(step.operation).shape[1];
                const auto mul = static_cast<int>(rows.h), div = static_cast<int>(rows.den);
                blocks = std::lcm(blocks, 4 * div / std::gcd(4 * div, mul));
                const op::Conv2d& whole = step.convolution->op;
                const op::Conv2d& own = *node(step.operation).as<op::Conv2d>();
                const int more = std::max(whole.kernel_h - own.kernel_h, whole.kernel_w - own.kernel_w);
                further += ((3 + more) * div + mul - 1) / mul;
            }
        const Graph& graph = network_->graph;
        network_->alignment = std::lcm(graph.size_multiple(), blocks);
        const auto radius = graph.receptive_radius();
        const std::int64_t reach = radius ? *radius + further : kWholePicture;
        network_->halo = static_cast<int>(std::min<std::int64_t>(kWholePicture, (reach + network_->alignment - 1) / network_->alignment * network_->alignment));
    }

    [[nodiscard]] std::vector<WorkStep> work_steps() const {
        constexpr int kSide = 256;
        const int multiple = network_->graph.size_multiple(), side = round_up(kSide, multiple);
        std::vector<WorkStep> all;
        for (const Step& step : network_->steps) {
            const Operation& op = node(step.operation).op;
            WorkStep work{step.node, step.inputs, {}, !step.plain && std::holds_alternative<op::GlobalMean>(op), 0};
            for (std::size_t k = 0; k < step.inputs.size(); ++k)
                work.reads.push_back(k < node(step.operation).inputs.size() ? traits(op).reads(op, k) : Reads{});
            // Whole blocks are computed as one, of whole parts.
            if (step.convolution && step.convolution->in_blocks()) {
                const Operation whole = step.convolution->op;
                work.reads[0] = traits(whole).reads(whole, 0);
                work.reads[0].rows.block = work.reads[0].columns.block = 4;
            }
            const auto sides = [&](int i) { return at(node(i).shape, {side, side}).value_or(std::vector<std::int64_t>(node(i).shape.size(), 0)); };
            std::vector<std::vector<std::int64_t>> inputs;
            for (const int from : node(step.operation).inputs) inputs.push_back(sides(from));
            work.macs = traits(op).macs(op, inputs, sides(step.operation));
            all.push_back(std::move(work));
        }
        return all;
    }

    const KernelTable& kernels_;
    ThreadPool* pool_;
    std::shared_ptr<PreparedNetwork> network_;
    const std::vector<Node>& nodes_;
    bool in_terms_ = false;
    std::vector<Chain> chains_;
    std::vector<int> chain_of_;
    std::vector<ChannelGrid> grids_;
    std::vector<int> grid_of_;
};

}  // namespace

Result<std::shared_ptr<const PreparedNetwork>> prepare(const Graph& graph, const KernelTable& kernels, ThreadPool* pool) {
    if (graph.inputs() != 1)
        return Error{Errc::unsupported, "a network with " + std::to_string(graph.inputs()) + " inputs; one picture is expected"};
    if (graph.output().channels != graph.input_channels())
        return Error{Errc::unsupported, "a network from " + std::to_string(graph.input_channels()) + " to " +
                                            std::to_string(graph.output().channels) + " channels"};
    return Preparation(graph, kernels, pool).run();
}

namespace {

// Numbers of one result, at most: what an int counts along a side, and a file of a few bytes cannot make overflow.
constexpr std::int64_t kMostFloats = std::int64_t{1} << 40;

Result<void> check_sides(const std::vector<std::int64_t>& sides, const Node& node) {
    std::int64_t count = 1;
    for (const std::int64_t side : sides) {
        if (side > (1 << 30) || __builtin_mul_overflow(count, side, &count) || count > kMostFloats)
            return Error{Errc::limit, "the network's " + std::string(node.name()) + " makes " + std::to_string(side) +
                                          " rows, columns or channels of this picture; that is more than fits in any memory"};
    }
    return {};
}

}  // namespace

Result<Layout> layout_of(const PreparedNetwork& network, int node, Size picture, int lanes) {
    const Node& what = network.graph.nodes()[static_cast<std::size_t>(node)];
    Layout layout;
    auto sides = at(what, picture);
    if (!sides)
        return Error{Errc::argument, "a picture of " + std::to_string(picture.width) + "x" + std::to_string(picture.height) +
                                         " is too small for this network"};
    TRY(check_sides(*sides, what));
    layout.sides = std::move(*sides);
    layout.pixels = network.pixels[static_cast<std::size_t>(node)];
    if (layout.pixels) {
        const Border& border = network.border[static_cast<std::size_t>(node)];
        layout.channels = static_cast<int>(layout.sides[0]);
        layout.padded = round_up(layout.channels, lanes);
        layout.height = static_cast<int>(layout.sides[1]);
        layout.width = static_cast<int>(layout.sides[2]);
        layout.left = border.left;
        layout.row_floats = (std::ptrdiff_t{layout.width} + border.left + border.right) * layout.padded;
        layout.floats = layout.row_floats * layout.height;
    } else {
        layout.floats = 1;
        for (const std::int64_t side : layout.sides) layout.floats *= side;
    }
    return layout;
}

Result<Layouts> lay_out(const PreparedNetwork& network, std::span<const int> steps, Size picture, int lanes,
                        bool together) {
    Layouts all;
    all.nodes.resize(network.graph.nodes().size());
    std::vector<Lifetime> lifetimes(all.nodes.size());
    for (std::size_t s = 0; s < steps.size(); ++s) {
        const Step& step = network.steps[static_cast<std::size_t>(steps[s])];
        std::int64_t copies = 0;
        const auto place = [&](int node) -> Result<void> {
            Layout& layout = all.nodes[static_cast<std::size_t>(node)];
            if (layout.sides.empty()) {
                TRY(layout, layout_of(network, node, picture, lanes));
            }
            all.zero_row_floats = std::max<std::int64_t>(all.zero_row_floats, layout.row_floats);
            if (step.plain && !step.inputs.empty()) copies += layout.floats;
            return {};
        };
        TRY(place(step.node));
        for (const int from : step.inputs) {
            TRY(place(from));
            lifetimes[static_cast<std::size_t>(from)].last = together ? network.end[s] - 1 : static_cast<int>(s);
        }
        const auto index = static_cast<std::size_t>(step.node);
        // Of what is computed together all results may be written while anything is still read.
        const bool inside = together && network.within[index] >= 0;
        auto first = static_cast<int>(s);
        while (together && first > 0 && network.end[static_cast<std::size_t>(first) - 1] == network.end[s]) --first;
        lifetimes[index] = {inside ? 0 : all.nodes[index].floats, first,
                            together ? network.end[s] - 1 : static_cast<int>(s)};
        all.plain_floats = std::max(all.plain_floats, copies);
    }
    constexpr std::int64_t kLine = 16;  // floats of a cache line
    const Arena arena = place_in_arena(lifetimes, kLine);
    for (std::size_t i = 0; i < all.nodes.size(); ++i) all.nodes[i].offset = arena.offset[i];
    all.arena_floats = arena.size;
    return all;
}

}  // namespace enlarge::cpu::tensors
