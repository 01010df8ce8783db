// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "backend/cpu/steps.hpp"
#include "base/at.hpp"
#include "graph/traits.hpp"
#include "plan/chains.hpp"
#include "plan/concats.hpp"
#include "plan/picture_end.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu {
namespace {

// Packed weights beyond this are taken to come from memory, not from a cache: those of Winograd products are then
// packed when their step runs, by all threads, and a quarter of the numbers is read.
constexpr std::size_t kCachedWeights = std::size_t{32} << 20;

// Terms of a layer's weights up to this stay in the second-level cache of processors with AMX while it runs.
constexpr std::size_t kNearWeights = std::size_t{1} << 20;

class Lowering {
public:
    Lowering(const Graph& graph, const KernelTable& kernels, const LowerOptions& options)
        : graph_(graph), nodes_(graph.nodes()), kernels_(kernels), options_(options) {
        users_ = users_of(graph);
        chain_of_.assign(nodes_.size(), -1);
        tensor_of_.assign(nodes_.size(), -1);
        network_.scale = graph.scale();
        network_.in_channels = graph.input_channels();
        network_.out_channels = graph.output().channels;
        network_.size_multiple = graph.size_multiple();
        network_.element = options.element;
        network_.integer = options.transform_abs_max != nullptr;
        network_.terms = options.terms > 0 && fits_terms(graph) ? options.terms : 0;
    }

    Result<LoweredNetwork> run() {
        if (const int i = first_without_kernel(graph_); i >= 0)
            return Error{Errc::unsupported, "the cpu backend has no kernel for node " + std::to_string(i) + " (" +
                                                std::string(node(i).name()) + ")"};
        if (network_.in_channels > 4 || network_.out_channels > 4)
            return Error{Errc::unsupported, "the cpu backend takes networks of at most 4 channels; this one has " +
                                                std::to_string(std::max(network_.in_channels, network_.out_channels))};
        end_ = find_end(graph_, users_);
        find_chains();
        place_concats();
        emit_load();
        for (std::size_t i = 1; i < nodes_.size(); ++i) emit(static_cast<int>(i));
        if (!ended_) emit_store();
        for (Tensor& t : network_.tensors)
            for (int c = 0; c < t.channels(); ++c)
                if (const int logical = t.map[static_cast<std::size_t>(c)]; logical >= 0) {
                    if (static_cast<int>(t.where.size()) <= logical) t.where.resize(static_cast<std::size_t>(logical) + 1);
                    t.where[static_cast<std::size_t>(logical)] = c;
                }
        choose_elements();
        TRY(check_elements());
        ENSURE(!options_.packed || options_.packed->block == 4);
        pack();
        find_halo();
        for (const Step& step : network_.steps)
            network_.weight_bytes += step.weights.bytes;
        if (network_.block != 4)
            network_.rows_per_task = network_.terms > 0 ? 42 : 18;  // of whole blocks; weights come once a task
        else if (network_.weight_bytes > kCachedWeights)
            network_.rows_per_task = 48;
        else if (network_.terms > 0)
            network_.rows_per_task = 32;  // products take less time, and weights as much to be read
        if (network_.unpacked_bytes > 0) network_.rows_per_task = 96;
        return std::move(network_);
    }

private:
    const Node& node(int i) const { return nodes_[static_cast<std::size_t>(i)]; }
    const std::vector<int>& users(int i) const { return users_[static_cast<std::size_t>(i)]; }
    int padded(int channels) const { return round_up(channels, kernels_.lanes); }

    bool is_end(int i) const { return std::find(end_.nodes.begin(), end_.nodes.end(), i) != end_.nodes.end(); }

    void find_chains() {
        ChainRules rules;
        rules.begins = [](const Node&) { return true; };
        rules.activation = [](const Node& n) { return n.is<op::Prelu>() || n.is<op::LeakyRelu>() || n.is<op::Silu>(); };
        rules.gate = [](const Node& n) { return n.is<op::SpanGate>(); };
        rules.residual = [](int node) { return node != 0; };  // the input's pixels are not padded as features are
        rules.stops = [this](int node) { return node == end_.source; };
        rules.outside = [this](int node) { return is_end(node); };
        chains_ = enlarge::find_chains(graph_, rules);
        for (std::size_t c = 0; c < chains_.size(); ++c)
            for (const int n : chains_[c].nodes) chain_of_[static_cast<std::size_t>(n)] = static_cast<int>(c);
    }

    // Parts may have padding between them: the convolutions that read them have weights of zero there. The input's
    // pixels are not padded as features are.
    void place_concats() {
        ConcatRules rules;
        rules.block = kernels_.lanes;
        rules.gaps = true;
        rules.placed = [](int part) { return part != 0; };
        places_ = enlarge::place_concats(graph_, rules);
        for (const ConcatPlaces::Buffer& buffer : places_.buffers) {
            const Node& concat = node(buffer.concat);
            network_.buffers.push_back({buffer.blocks * rules.block, concat.num, concat.den, Element::f32});
        }
    }

    std::vector<int> plain_map(int channels) const {
        std::vector<int> map(static_cast<std::size_t>(padded(channels)), -1);
        std::iota(map.begin(), map.begin() + channels, 0);
        return map;
    }

    // The tensor a node's value is written to, in its place of a concatenation or a buffer of its own.
    int new_tensor(int i) {
        const ConcatPlaces::Place place = at(places_.of, i);
        Tensor tensor{place.buffer, place.block * kernels_.lanes, plain_map(node(i).channels), {}};
        if (place.buffer < 0) {
            tensor.buffer = static_cast<int>(network_.buffers.size());
            tensor.offset = 0;
            network_.buffers.push_back({tensor.channels(), node(i).num, node(i).den, Element::f32});
        }
        network_.tensors.push_back(std::move(tensor));
        return tensor_of_[static_cast<std::size_t>(i)] = static_cast<int>(network_.tensors.size()) - 1;
    }

    void emit_load() {
        network_.buffers.push_back({4, 1, 1, Element::f32});
        Tensor tensor{static_cast<int>(network_.buffers.size()) - 1, 0, {-1, -1, -1, -1}, {}};
        for (int c = 0; c < network_.in_channels; ++c) tensor.map[static_cast<std::size_t>(c)] = c;
        network_.tensors.push_back(std::move(tensor));
        tensor_of_[0] = static_cast<int>(network_.tensors.size()) - 1;
        Step step;
        step.kind = Kind::load;
        step.output = tensor_of_[0];
        step.nodes = {0};
        network_.steps.push_back(std::move(step));
    }

    // The tensor of a node that has been emitted.
    int tensor(int i) const { return tensor_of_[static_cast<std::size_t>(i)]; }

    bool folds_upsample(int i) const {  // nearest 2x whose users are all 3x3 convolutions over features
        const auto* up = node(i).as<op::UpsampleNearest>();
        if (!up || up->factor != 2 || node(i).inputs[0] == 0) return false;
        return std::all_of(users(i).begin(), users(i).end(), [&](int user) {
            const auto* conv = node(user).as<op::Conv2d>();
            return conv && conv->same_kernel() == 3;
        });
    }

    void emit(int i) {
        if (is_end(i) || i == end_.repeated) return;
        const int chain = chain_of_[static_cast<std::size_t>(i)];
        if (chain >= 0) {
            if (chains_[static_cast<std::size_t>(chain)].last == i) emit_convolution(chains_[static_cast<std::size_t>(chain)]);
            return;
        }
        if (folds_upsample(i)) return;
        if (node(i).is<op::Concat>() && view_concat(i)) return;
        emit_map(i);
    }

    // A concatenation whose parts lie side by side is another way to read them.
    bool view_concat(int i) {
        const ConcatPlaces::Place place = at(places_.of, i);
        if (place.buffer < 0) return false;
        Tensor view{place.buffer, place.block * kernels_.lanes, {}, {}};
        int logical = 0;
        for (const int part : parts_of_concat(graph_, i)) {
            for (const int c : at(network_.tensors, tensor(part)).map) view.map.push_back(c < 0 ? -1 : logical + c);
            logical += node(part).channels;
        }
        network_.tensors.push_back(std::move(view));
        at(tensor_of_, i) = static_cast<int>(network_.tensors.size()) - 1;
        return true;
    }

    void emit_convolution(const Chain& chain) {
        const Node& made = node(chain.conv);
        const auto& conv = *made.as<op::Conv2d>();
        Step step;
        step.nodes = chain.nodes;
        step.num = made.num;
        step.den = made.den;
        step.kernel = conv.same_kernel();
        int from = made.inputs[0];
        Input input;
        if (tensor(from) < 0) {  // an upsampling that is only a way of reading
            input.div = node(from).as<op::UpsampleNearest>()->factor;
            from = node(from).inputs[0];
        }
        input.tensor = tensor(from);
        input.reach = step.kernel / 2;
        const int in_channels = network_.tensors[static_cast<std::size_t>(input.tensor)].channels();
        const bool winograd = step.kernel == 3 && in_channels % kernels_.lanes == 0;
        step.kind = winograd ? Kind::winograd : Kind::direct;
        step.align = winograd ? step.block : 1;
        step.inputs.push_back(input);
        for (const int residual : chain.residuals) step.inputs.push_back({tensor(residual), 1, 1, 0});
        step.epilogue.residuals = chain.gate ? 0 : static_cast<int>(chain.residuals.size());
        for (std::size_t k = 0; k < chain.keep.size(); ++k) {
            step.epilogue.keep[k] = chain.keep[k];
            step.epilogue.mix[k] = chain.mix[k];
        }
        if (chain.gate) step.epilogue.activation = Activation::gate;
        if (chain.activation >= 0 && node(chain.activation).is<op::Silu>()) step.epilogue.activation = Activation::silu;
        step.macs_per_pixel = static_cast<double>(conv.weights->size());

        std::vector<int> out_map = plain_map(made.channels);
        if (chain.last == end_.source && !is_used_elsewhere(chain.last)) {
            finish_picture(step);
            // Channels in the order of the output's pixels: row of the block, column, colour.
            const int f = step.shuffle, colours = made.channels / (f * f);
            for (int dy = 0, at = 0; dy < f; ++dy)
                for (int dx = 0; dx < f; ++dx)
                    for (int c = 0; c < colours; ++c, ++at) out_map[static_cast<std::size_t>(at)] = c * f * f + dy * f + dx;
            ended_ = true;
        } else {
            step.output = new_tensor(chain.last);
        }
        step.out_channels = static_cast<int>(out_map.size());
        const auto physical = static_cast<std::size_t>(step.out_channels);
        step.bias.assign(physical, 0);
        step.slope.assign(physical, 1);
        for (std::size_t c = 0; c < physical; ++c) {
            const int logical = out_map[c];
            if (logical < 0) continue;
            step.bias[c] = (*conv.bias)[static_cast<std::size_t>(logical)];
            if (chain.activation < 0) continue;
            const Node& act = node(chain.activation);
            if (const auto* leaky = act.as<op::LeakyRelu>()) step.slope[c] = leaky->slope;
            if (const auto* prelu = act.as<op::Prelu>())
                step.slope[c] = (*prelu->slopes)[static_cast<std::size_t>(logical)];
        }
        packing_.push_back({network_.steps.size(), chain.conv, std::move(out_map)});
        network_.steps.push_back(std::move(step));
    }

    bool is_used_elsewhere(int i) const {
        return std::any_of(users(i).begin(), users(i).end(), [&](int user) { return !is_end(user); });
    }

    void finish_picture(Step& step) {
        step.output = -1;
        step.shuffle = end_.shuffle;
        step.add_input = end_.adds_input;
        step.image_channels = network_.out_channels;
        if (end_.adds_input) step.inputs.push_back({tensor(0), 1, 1, 0});
    }

    void emit_map(int i) {
        const Node& n = node(i);
        Step step;
        step.kind = Kind::map;
        step.op = n.op;
        step.num = n.num;
        step.den = n.den;
        step.nodes = {i};
        for (const int from : n.inputs) {
            const ReadWindow rows = traits(n.op).reads(n.op, step.inputs.size()).rows;
            step.inputs.push_back({materialised(from), rows.mul, rows.div, 0});
        }
        step.output = new_tensor(i);
        network_.steps.push_back(std::move(step));
    }

    int materialised(int i) const { return tensor(i); }

    void emit_store() {
        Step step;
        step.kind = Kind::store;
        step.num = node(end_.source).num;
        step.den = node(end_.source).den;
        step.inputs.push_back({tensor(end_.source), 1, 1, 0});
        finish_picture(step);
        step.nodes = end_.nodes;
        network_.steps.push_back(std::move(step));
    }

    // Features that only convolutions make and read take the wanted element; everything else stays float.
    void choose_elements() {
        if (options_.element == Element::f32) return;
        for (const Step& step : network_.steps)
            if ((step.kind == Kind::direct || step.kind == Kind::winograd) && step.output >= 0)
                network_.buffers[static_cast<std::size_t>(buffer_of(step.output))].element = options_.element;
    }

    int buffer_of(int t) const { return network_.tensors[static_cast<std::size_t>(t)].buffer; }
    Element element_of(int t) const { return network_.buffers[static_cast<std::size_t>(buffer_of(t))].element; }

    Result<void> check_elements() const {
        if (options_.element == Element::f32) return {};
        const std::string type = options_.transform_abs_max ? "int16" : "fp16";
        for (const Step& step : network_.steps) {
            const bool conv = step.kind == Kind::direct || step.kind == Kind::winograd;
            for (std::size_t k = 0; k < step.inputs.size(); ++k) {
                const Element in = element_of(step.inputs[k].tensor);
                if (!conv && in != Element::f32)
                    return Error{Errc::unsupported,
                                 type + ": " + std::string(traits(step.op).name) + " works on floats here"};
                const bool base = step.add_input && k + 1 == step.inputs.size();
                const Element out = step.output < 0 ? Element::f32 : element_of(step.output);
                if (conv && k > 0 && !base && in != out)
                    return Error{Errc::unsupported, type + ": a residual is stored otherwise than its sum"};
            }
            if (step.kind == Kind::map && element_of(step.output) != Element::f32)
                return Error{Errc::unsupported, type + ": " + std::string(traits(step.op).name) + " makes floats here"};
        }
        for (const Packing& p : packing_) {
            const Step& step = network_.steps[p.step];
            if (multiplies_integers(step) &&
                (p.step >= options_.transform_abs_max->size() || (*options_.transform_abs_max)[p.step].size() != 36 * input_map(step).size()))
                return Error{Errc::format, "these ranges were measured on another network"};
        }
        return {};
    }

    const std::vector<int>& input_map(const Step& step) const {
        return network_.tensors[static_cast<std::size_t>(step.inputs[0].tensor)].map;
    }

    bool multiplies_integers(const Step& step) const {
        return options_.transform_abs_max && step.kind == Kind::winograd && element_of(step.inputs[0].tensor) == Element::f16;
    }

    void pack() {
        if (options_.packed) {
            for (const Packing& p : packing_) {
                Step& step = network_.steps[p.step];
                const Step& from = options_.packed->steps[p.step];
                step.groups = from.groups;
                step.weights = from.weights;
                step.unpacked = from.unpacked;
                step.unpacked_channels = from.unpacked_channels;
                step.unpacked_in = from.unpacked_in;
                step.unpacked_out = from.unpacked_out;
            }
            network_.unpacked_bytes = options_.packed->unpacked_bytes;
            return;
        }
        const auto bytes_of = [&](const Packing& p) {
            const Step& step = network_.steps[p.step];
            return packed_bytes(step, input_map(step).size(), p.out_map.size(), kernels_);
        };
        std::size_t all_bytes = 0, bytes = 0;
        for (const Packing& p : packing_) {
            Step& step = network_.steps[p.step];
            step.integer = multiplies_integers(step);
            step.terms = step.kind == Kind::winograd && !step.integer ? network_.terms : 0;
            all_bytes += bytes_of(p);
        }
        // Three terms take half as much again as floats.
        if (network_.terms == kMostTerms && all_bytes / kMostTerms * 2 > kCachedWeights) all_bytes = give_up_terms(bytes_of);
        const bool unpacked = network_.terms != kMostTerms && all_bytes > kCachedWeights;
        if (options_.large_blocks && kernels_.fast_blocks6 && !unpacked) take_large_blocks(bytes_of);
        for (const Packing& p : packing_) {
            Step& step = network_.steps[p.step];
            if (unpacked && step.kind == Kind::winograd && !step.integer) {
                step.unpacked = node(p.conv).as<op::Conv2d>()->weights;
                step.unpacked_channels = node(node(p.conv).inputs[0]).channels;
                step.unpacked_in = in_places(input_map(step), step.terms);
                step.unpacked_out = p.out_map;
                step.groups = winograd_groups(static_cast<int>(p.out_map.size()), kernels_.lanes,
                                              step.unpacked_in.size(), step.terms, step.block);
                network_.unpacked_bytes = std::max(network_.unpacked_bytes, bytes_of(p));
                continue;
            }
            step.weights.offset = bytes;
            step.weights.bytes = bytes_of(p);
            bytes += step.weights.bytes;
        }
        // Written once, by all threads, and read in order: huge pages gain nothing here, and where memory is fragmented
        // the system takes half a second to make them for RRDB.
        const auto all = std::make_shared<const Block>(bytes, Pages::small);
        // Steps side by side where there are enough of them, else the parts of each.
        const auto pack_step = [&](std::int64_t i) {
            const Packing& p = packing_[static_cast<std::size_t>(i)];
            Step& step = network_.steps[p.step];
            if (step.unpacked) return;
            step.weights.all = all;
            const auto& conv = *node(p.conv).as<op::Conv2d>();
            const int logical_in = node(node(p.conv).inputs[0]).channels;
            pack_convolution(step, conv.weights->data(), logical_in, input_map(step), p.out_map, kernels_,
                             options_.pool, step.integer ? &(*options_.transform_abs_max)[p.step] : nullptr);
        };
        const auto steps = static_cast<std::int64_t>(packing_.size());
        if (options_.pool && steps >= 2 * options_.pool->size())
            options_.pool->for_each(steps, 1, pack_step);
        else
            for (std::int64_t i = 0; i < steps; ++i) pack_step(i);
    }

    // Not for gates: of noise SPAN makes whatever rounding was before many times larger, and gains little.
    template <class BytesOf>
    void take_large_blocks(const BytesOf& bytes_of) {
        if (network_.terms == 0 && options_.element != Element::f32) return;
        for (const Packing& p : packing_) {
            const Step& step = network_.steps[p.step];
            if (step.epilogue.activation == Activation::gate) return;
            if (step.terms > 0 && bytes_of(p) / positions_of(4) * positions_of(6) > kNearWeights) return;
        }
        for (const Packing& p : packing_) {
            Step& step = network_.steps[p.step];
            if (step.kind == Kind::winograd && !step.integer) step.block = step.align = network_.block = 6;
        }
    }

    // Where weights are packed while the network runs, writing and reading a third term takes the time that products
    // win.
    template <class BytesOf>
    std::size_t give_up_terms(const BytesOf& bytes_of) {
        network_.terms = 0;
        std::size_t bytes = 0;
        for (const Packing& p : packing_) {
            network_.steps[p.step].terms = 0;
            bytes += bytes_of(p);
        }
        return bytes;
    }

    // Walks from the edge of a core, which lies on a multiple of `alignment`, back to the input: how many pixels beyond
    // the edge have a say in the bits. A Winograd block rounds all of its inputs together, so it counts whole.
    void find_halo() {
        network_.alignment = 1;
        for (const Step& step : network_.steps)
            if (step.align > 1)
                network_.alignment = std::lcm(network_.alignment, step.align * step.den / std::gcd(step.den, step.num));
        network_.alignment = std::lcm(network_.alignment, network_.size_multiple);
        // Views of one buffer share what is asked of it.
        std::vector<int> asked(network_.buffers.size(), 0);
        for (auto step = network_.steps.rbegin(); step != network_.steps.rend(); ++step) {
            int own = step->output < 0 ? 0 : asked[static_cast<std::size_t>(buffer_of(step->output))];
            own = round_up(own, step->align);
            for (const Input& input : step->inputs) {
                int& ask = asked[static_cast<std::size_t>(buffer_of(input.tensor))];
                ask = std::max(ask, (own * input.mul + input.reach + input.div - 1) / input.div);
            }
        }
        network_.halo = asked[static_cast<std::size_t>(buffer_of(tensor_of_[0]))];
    }

    struct Packing {
        std::size_t step;
        int conv;
        std::vector<int> out_map;
    };

    const Graph& graph_;
    const std::vector<Node>& nodes_;
    const KernelTable& kernels_;
    const LowerOptions& options_;
    LoweredNetwork network_;
    std::vector<std::vector<int>> users_;
    std::vector<Chain> chains_;
    std::vector<int> chain_of_;
    std::vector<int> tensor_of_;
    ConcatPlaces places_;
    std::vector<Packing> packing_;
    PictureEnd end_;
    bool ended_ = false;
};

}  // namespace

int first_without_kernel(const Graph& graph) {
    const std::vector<Node>& nodes = graph.nodes();
    const auto supported = [&](const Node& node) {
        const bool pictures = node.picture() && std::all_of(node.inputs.begin(), node.inputs.end(), [&](int from) {
                                  return nodes[static_cast<std::size_t>(from)].picture();
                              });
        if (!pictures) return false;
        if (node.is<op::Input>()) return &node == &nodes.front();
        if (const auto* conv = node.as<op::Conv2d>()) return conv->same_kernel() == 1 || conv->same_kernel() == 3;
        if (const auto* join = node.as<op::Concat>()) return join->axis == 0 || join->axis == -3;
        if (node.is<op::Add>())
            return node.channels == nodes[static_cast<std::size_t>(node.inputs[0])].channels &&
                   node.channels == nodes[static_cast<std::size_t>(node.inputs[1])].channels;
        return is_map(node.op);
    };
    const auto found = std::find_if_not(nodes.begin(), nodes.end(), supported);
    return found == nodes.end() ? -1 : static_cast<int>(found - nodes.begin());
}

bool fits_terms(const Graph& graph) {
    return std::all_of(graph.nodes().begin(), graph.nodes().end(), [](const Node& node) {
        const auto* conv = node.as<op::Conv2d>();
        if (!conv) return true;
        // The first few numbers say it, but of weights that are all small or nothing.
        const auto& weights = *conv->weights;
        return std::any_of(weights.begin(), weights.end(), [](float w) { return std::fabs(w) >= 0x1p-64F; }) ||
               std::all_of(weights.begin(), weights.end(), [](float w) { return w == 0; });
    });
}

Result<LoweredNetwork> lower(const Graph& graph, const KernelTable& kernels, const LowerOptions& options) {
    TRY(graph.validate());
    return Lowering(graph, kernels, options).run();
}

}  // namespace enlarge::cpu
