// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "base/checked.hpp"

namespace enlarge {
namespace {

// Larger than anything that was ever trained; keeps all later arithmetic on shapes far from overflow.
constexpr int kMaxChannels = 1 << 16;
constexpr int kMaxRatio = 64;
constexpr std::size_t kMaxNodes = 1 << 16;

struct OpTraits {
    std::string_view name;
    int inputs;  // -1: two or more
};

constexpr std::array<OpTraits, 12> kOps{{{"input", 0},
                                         {"conv2d", 1},
                                         {"prelu", 1},
                                         {"leaky_relu", 1},
                                         {"silu", 1},
                                         {"add", 2},
                                         {"concat", -1},
                                         {"pixel_shuffle", 1},
                                         {"pixel_unshuffle", 1},
                                         {"upsample_nearest", 1},
                                         {"scale_shift", 1},
                                         {"span_gate", 2}}};

const OpTraits& traits(Op op) { return kOps[static_cast<std::size_t>(op)]; }

// "node 7 (conv2d): 48 biases; expected 64".
Error misfit(std::size_t index, const Node& node, const std::string& what) {
    return {Errc::format,
            "node " + std::to_string(index) + " (" + std::string(op_name(node.op)) + "): " + what};
}

std::int64_t count(const Values& values) { return values ? static_cast<std::int64_t>(values->size()) : 0; }

std::string found(std::int64_t got, const char* what, std::int64_t expected) {
    return std::to_string(got) + " " + what + "; expected " + std::to_string(expected);
}

std::string shape(const Node& node) {
    return std::to_string(node.channels) + " channels at " + std::to_string(node.num) + "/" +
           std::to_string(node.den) + " of the input's size";
}

void set_ratio(Node& node, int num, int den) {
    const int divisor = std::gcd(num, den);
    node.num = num / divisor;
    node.den = den / divisor;
}

// Rounds down and up to a multiple of `step` > 0, for negative values too.
std::int64_t round_down(std::int64_t value, std::int64_t step) {
    const std::int64_t rest = value % step;
    return value - (rest < 0 ? rest + step : rest);
}
std::int64_t round_up(std::int64_t value, std::int64_t step) { return -round_down(-value, step); }

}  // namespace

std::string_view op_name(Op op) { return traits(op).name; }

Result<int> Graph::add(Node node) {
    const std::size_t index = nodes_.size();
    const auto fail = [&](const std::string& what) { return misfit(index, node, what); };
    if (index >= kMaxNodes) return fail("more than " + std::to_string(kMaxNodes) + " nodes");
    if ((node.op == Op::input) != (index == 0)) return fail("the input must be node 0, and only that");

    const int wanted = traits(node.op).inputs;
    const int given = static_cast<int>(node.inputs.size());
    if (wanted >= 0 ? given != wanted : given < 2)
        return fail(std::to_string(given) + " inputs; expected " +
                    (wanted >= 0 ? std::to_string(wanted) : std::string("at least 2")));
    for (const int input : node.inputs)
        if (input < 0 || static_cast<std::size_t>(input) >= index)
            return fail("input " + std::to_string(input) + " is not an earlier node");

    if (node.op == Op::input) {
        if (node.channels < 1 || node.channels > 4) return fail(std::to_string(node.channels) + " channels; expected 1 to 4");
        node.num = node.den = 1;
        nodes_.push_back(std::move(node));
        return 0;
    }

    const Node& from = nodes_[static_cast<std::size_t>(node.inputs[0])];
    std::int64_t channels = from.channels;
    int num = from.num, den = from.den;
    switch (node.op) {
        case Op::input:
            break;
        case Op::conv2d: {
            if (node.kernel != 1 && node.kernel != 3)
                return fail("kernel " + std::to_string(node.kernel) + "; expected 1 or 3");
            channels = count(node.bias);
            if (channels < 1 || channels > kMaxChannels) return fail(std::to_string(channels) + " biases");
            const std::int64_t weights = channels * from.channels * node.kernel * node.kernel;
            if (count(node.weights) != weights) return fail(found(count(node.weights), "weights", weights));
            break;
        }
        case Op::prelu:
            if (count(node.weights) != channels) return fail(found(count(node.weights), "slopes", channels));
            break;
        case Op::scale_shift:
            if (count(node.weights) != channels) return fail(found(count(node.weights), "factors", channels));
            if (count(node.bias) != channels) return fail(found(count(node.bias), "shifts", channels));
            break;
        case Op::leaky_relu:
        case Op::silu:
            break;
        case Op::add:
        case Op::span_gate:
        case Op::concat:
            channels = 0;
            for (const int input : node.inputs) {
                const Node& other = nodes_[static_cast<std::size_t>(input)];
                const bool same_size = other.num == from.num && other.den == from.den;
                if (!same_size || (node.op != Op::concat && other.channels != from.channels))
                    return fail("inputs differ: " + shape(from) + " and " + shape(other));
                channels = node.op == Op::concat ? channels + other.channels : from.channels;
            }
            break;
        case Op::pixel_shuffle:
        case Op::pixel_unshuffle:
        case Op::upsample_nearest: {
            if (node.factor < 2 || node.factor > kMaxRatio)
                return fail("factor " + std::to_string(node.factor) + "; expected 2 to " + std::to_string(kMaxRatio));
            const int area = node.factor * node.factor;
            if (node.op == Op::pixel_shuffle && channels % area != 0)
                return fail(std::to_string(channels) + " channels; expected a multiple of " + std::to_string(area));
            if (node.op == Op::pixel_shuffle) channels /= area;
            if (node.op == Op::pixel_unshuffle) channels *= area;
            (node.op == Op::pixel_unshuffle ? den : num) *= node.factor;
            break;
        }
    }
    if (channels > kMaxChannels) return fail(std::to_string(channels) + " channels; at most " + std::to_string(kMaxChannels));
    node.channels = static_cast<int>(channels);
    set_ratio(node, num, den);
    if (node.num > kMaxRatio || node.den > kMaxRatio)
        return fail("the size changes by more than " + std::to_string(kMaxRatio));
    nodes_.push_back(std::move(node));
    return static_cast<int>(index);
}

Result<int> Graph::input(int channels) {
    Node node;
    node.channels = channels;
    return add(std::move(node));
}

Result<int> Graph::conv2d(int from, int out_channels, int kernel, std::vector<float> weights, std::vector<float> bias) {
    Node node;
    node.op = Op::conv2d;
    node.inputs = {from};
    node.kernel = kernel;
    node.weights = make_values(std::move(weights));
    node.bias = make_values(std::move(bias));
    if (count(node.bias) != out_channels)
        return misfit(nodes_.size(), node, found(count(node.bias), "biases", out_channels));
    return add(std::move(node));
}

int Graph::size_multiple() const {
    int multiple = 1;
    for (const Node& node : nodes_) multiple = std::lcm(multiple, node.den);
    return multiple;
}

int Graph::receptive_radius() const {
    // For one input pixel, the interval of each tensor that its output block depends on is followed back to the input.
    // Coordinates are input pixels times `unit`, which makes the cells of every tensor whole numbers.
    std::int64_t unit = 1;
    for (const Node& node : nodes_) unit = std::lcm(unit, std::int64_t{node.num});
    struct Interval {
        std::int64_t low = 0, high = 0;  // empty when equal
    };
    std::int64_t radius = 0;
    const int multiple = size_multiple();
    for (int pixel = 0; pixel < multiple; ++pixel) {
        std::vector<Interval> need(nodes_.size());
        need.back() = {pixel * unit, (pixel + 1) * unit};
        for (std::size_t i = nodes_.size(); i-- > 0;) {
            const Node& node = nodes_[i];
            Interval interval = need[i];
            if (interval.low == interval.high) continue;
            const std::int64_t cell = unit * node.den / node.num;
            interval.low = round_down(interval.low, cell);
            interval.high = round_up(interval.high, cell);
            if (node.op == Op::conv2d) {
                interval.low -= cell * (node.kernel / 2);
                interval.high += cell * (node.kernel / 2);
            }
            if (i == 0) {
                radius = std::max(radius, (pixel * unit - round_down(interval.low, unit)) / unit);
                radius = std::max(radius, (round_up(interval.high, unit) - (pixel + 1) * unit) / unit);
            }
            for (const int input : node.inputs) {
                Interval& other = need[static_cast<std::size_t>(input)];
                if (other.low == other.high) {
                    other = interval;
                } else {
                    other.low = std::min(other.low, interval.low);
                    other.high = std::max(other.high, interval.high);
                }
            }
        }
    }
    return static_cast<int>(radius);
}

double Graph::macs_per_pixel() const {
    double macs = 0;
    for (const Node& node : nodes_) {
        if (node.op != Op::conv2d) continue;
        const double pixels = static_cast<double>(node.num) * node.num / (static_cast<double>(node.den) * node.den);
        macs += static_cast<double>(count(node.weights)) * pixels;
    }
    return macs;
}

std::int64_t Graph::parameters() const {
    std::int64_t total = 0;
    for (const Node& node : nodes_)
        if (node.op == Op::conv2d || node.op == Op::prelu) total += count(node.weights) + count(node.bias);
    return total;
}

Result<void> Graph::validate() const {
    if (nodes_.size() < 2) return Error{Errc::format, "the network has no operations"};
    std::vector<bool> used(nodes_.size(), false);
    for (const Node& node : nodes_)
        for (const int input : node.inputs) used[static_cast<std::size_t>(input)] = true;
    used.back() = true;
    const auto unused = std::find(used.begin(), used.end(), false);
    if (unused != used.end()) {
        const auto index = static_cast<std::size_t>(unused - used.begin());
        return misfit(index, nodes_[index], "its result is not used");
    }
    const Node& last = output();
    if (last.den != 1) return Error{Errc::format, "the output is smaller than the input: " + shape(last)};
    if (last.channels != input_channels() && last.channels != 3)
        return Error{Errc::format, "the output has " + std::to_string(last.channels) + " channels; expected " +
                                       std::to_string(input_channels()) + " or 3"};
    return {};
}

}  // namespace enlarge
