// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "graph/traits.hpp"

namespace enlarge {
namespace {

// Larger than anything that was ever trained; keeps all later arithmetic on shapes far from overflow.
constexpr std::int64_t kMaxChannels = 1 << 16;
constexpr std::int64_t kMaxPixels = 1 << 24;  // of a picture, where there is one size of it
constexpr int kMaxOwnSide = 4096;
constexpr std::int64_t kMaxRatio = 64;
constexpr std::int64_t kMaxMultiple = 1024;
constexpr std::size_t kMaxNodes = 1 << 16;
constexpr std::size_t kMaxSides = 8;

// "node 7 (conv2d): 48 biases; expected 64".
Error misfit(std::size_t index, const Node& node, const std::string& what, Errc code = Errc::format) {
    return {code, "node " + std::to_string(index) + " (" + std::string(node.name()) + "): " + what};
}

// What a graph's nodes know about pictures: the sides of a node relative to the graph's own.
void describe_picture(Node& node) {
    node.channels = !node.shape.empty() && node.shape[0].constant() ? static_cast<int>(node.shape[0].fixed) : 0;
    node.num = 0;
    if (!is_picture(node.shape)) return;
    const Extent &rows = node.shape[1], &columns = node.shape[2];
    if (rows.fixed != 0 || columns.fixed != 0 || rows.h != columns.w || rows.den != columns.den) return;
    node.num = static_cast<int>(rows.h);
    node.den = static_cast<int>(rows.den);
}

void describe_slice(Node& node, const op::Slice& slice, const Shape& from) {
    const int axis = slice.axis < 0 ? slice.axis + static_cast<int>(from.size()) : slice.axis;
    node.read_side = from[static_cast<std::size_t>(axis)];
    node.read_least = slice.begin < 0 ? -std::int64_t{slice.begin} : slice.begin;
    if (slice.end != op::Slice::kEnd)
        node.read_least = std::max(node.read_least, slice.end < 0 ? -std::int64_t{slice.end} : slice.end);
}

// For one input pixel, the interval of each node that its output block depends on is followed back to the inputs.
std::int64_t reach_along(const std::vector<Node>& nodes, std::int64_t pixel, int scale, bool rows) {
    std::vector<Interval> need(nodes.size());
    need.back() = {pixel * scale, (pixel + 1) * scale - 1};
    std::int64_t reach = 0;
    for (std::size_t i = nodes.size(); i-- > 0;) {
        const Node& node = nodes[i];
        if (need[i].empty()) continue;
        if (node.is<op::Input>()) reach = std::max({reach, pixel - need[i].first, need[i].last - pixel});
        for (std::size_t k = 0; k < node.inputs.size(); ++k) {
            const auto from = static_cast<std::size_t>(node.inputs[k]);
            if (!is_picture(nodes[from].shape)) continue;  // depends on no pixel
            const Reads reads = traits(node.op).reads(node.op, k);
            need[from].add(read(need[i], rows ? reads.rows : reads.columns));
        }
    }
    return reach;
}

}  // namespace

std::string_view Node::name() const { return traits(op).name; }

Result<int> Graph::add(Node node) {
    const std::size_t index = nodes_.size();
    const auto fail = [&](const std::string& what) { return misfit(index, node, what); };
    if (index >= kMaxNodes) return fail("more than " + std::to_string(kMaxNodes) + " nodes");
    const auto* input = node.as<op::Input>();
    if (index == 0 && (!input || input->channels == 0)) return fail("the first node must be the picture");
    if (index > 0 && input && !nodes_.back().is<op::Input>()) return fail("inputs come before all other nodes");

    const OpTraits& rules = traits(node.op);
    const int given = static_cast<int>(node.inputs.size());
    if (given < rules.least_inputs || given > rules.most_inputs)
        return fail(std::to_string(given) + " inputs; expected " +
                    (rules.least_inputs == rules.most_inputs ? "" : "at least ") + std::to_string(rules.least_inputs));
    std::vector<const Shape*> shapes;
    for (const int from : node.inputs) {
        if (from < 0 || static_cast<std::size_t>(from) >= index)
            return fail("input " + std::to_string(from) + " is not an earlier node");
        shapes.push_back(&nodes_[static_cast<std::size_t>(from)].shape);
    }
    auto shape = rules.shape(node.op, shapes);
    if (!shape.ok()) return misfit(index, node, shape.error().message, shape.error().code);
    node.shape = std::move(shape).value();
    if (node.shape.size() > kMaxSides)
        return fail(std::to_string(node.shape.size()) + " dimensions; at most " + std::to_string(kMaxSides));

    std::optional<Size> own = own_;
    if (const auto* reshape = node.as<op::Reshape>(); reshape && reshape->own_rows > 0 && reshape->own_columns > 0) {
        own = Size{reshape->own_columns, reshape->own_rows};
        if (own->width > kMaxOwnSide || own->height > kMaxOwnSide || (own_ && own_ != own))
            return fail("for pictures of " + std::to_string(own->width) + "x" + std::to_string(own->height) + " alone");
    }
    const std::int64_t most = own ? kMaxPixels : kMaxChannels;
    std::int64_t multiple = std::lcm(multiple_, rules.multiple(node.op, node.shape));
    for (const Extent& side : node.shape) {
        if (side.constant() && side.fixed < 1) return fail("a result of " + text(node.shape));
        if (side.constant() && side.fixed > most)
            return fail(std::to_string(side.fixed) + " channels; at most " + std::to_string(most));
        if (multiple <= kMaxMultiple) multiple = std::lcm(multiple, side.multiple());
    }
    if (multiple > kMaxMultiple)
        return fail("sides must be a multiple of " + std::to_string(multiple) + "; at most " +
                    std::to_string(kMaxMultiple));
    if (is_picture(node.shape))
        for (const Extent& side : {node.shape[1], node.shape[2]})
            if (side.h + side.w > kMaxRatio || side.den > kMaxRatio)
                return fail("the size changes by more than " + std::to_string(kMaxRatio));
    describe_picture(node);
    if (const auto* slice = node.as<op::Slice>()) describe_slice(node, *slice, *shapes[0]);
    multiple_ = multiple;
    own_ = own;
    nodes_.push_back(std::move(node));
    return static_cast<int>(index);
}

Result<int> Graph::input(int channels) { return add({op::Input{.channels = channels}, {}}); }

Result<int> Graph::conv2d(int from, int out_channels, int kernel, std::vector<float> weights, std::vector<float> bias) {
    const int pad = kernel / 2;
    op::Conv2d conv{.kernel_h = kernel,
                    .kernel_w = kernel,
                    .pad_top = pad,
                    .pad_left = pad,
                    .pad_bottom = pad,
                    .pad_right = pad,
                    .weights = make_values(std::move(weights)),
                    .bias = make_values(std::move(bias))};
    Node node(std::move(conv), {from});
    const std::int64_t biases = node.as<op::Conv2d>()->bias.count();
    if (biases != out_channels)
        return misfit(nodes_.size(), node,
                      std::to_string(biases) + " biases; expected " + std::to_string(out_channels));
    return add(std::move(node));
}

Result<void> Graph::need_multiple(int multiple) {
    const std::int64_t both = std::lcm(multiple_, std::int64_t{std::max(multiple, 1)});
    if (multiple < 1 || both > kMaxMultiple)
        return Error{Errc::format, "sides must be a multiple of " + std::to_string(both) + "; at most " +
                                       std::to_string(kMaxMultiple)};
    multiple_ = both;
    return {};
}

int Graph::inputs() const {
    return static_cast<int>(
        std::count_if(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.is<op::Input>(); }));
}

std::optional<int> Graph::receptive_radius() const {
    if (own_) return {};
    const std::vector<bool> depends = depends_on_pixels(nodes_);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (depends[i] && !is_picture(nodes_[i].shape)) return {};
        for (std::size_t k = 0; k < nodes_[i].inputs.size(); ++k)
            if (depends[static_cast<std::size_t>(nodes_[i].inputs[k])] &&
                traits(nodes_[i].op).reads(nodes_[i].op, k).kind != Reads::Kind::window)
                return {};
    }
    std::int64_t radius = 0;
    for (std::int64_t pixel = 0; pixel < multiple_; ++pixel)
        for (const bool rows : {true, false}) radius = std::max(radius, reach_along(nodes_, pixel, scale(), rows));
    return static_cast<int>(radius);
}

std::optional<std::vector<std::int64_t>> at(const Node& node, Size picture) {
    if (node.read_least > 0 && node.read_side.at(picture) < node.read_least) return {};
    return at(node.shape, picture);
}

std::vector<bool> depends_on_pixels(const std::vector<Node>& nodes) {
    std::vector<bool> depends(nodes.size(), false);
    for (std::size_t i = 0; i < nodes.size(); ++i)
        depends[i] = (nodes[i].is<op::Input>() && nodes[i].picture()) ||
                     std::any_of(nodes[i].inputs.begin(), nodes[i].inputs.end(),
                                 [&](int from) { return depends[static_cast<std::size_t>(from)]; });
    return depends;
}

double Graph::macs_per_pixel() const {
    constexpr int kSide = 256;
    const int side = size_multiple() * std::max(1, kSide / size_multiple());
    const Size picture = own_.value_or(Size{side, side});
    std::vector<std::vector<std::int64_t>> sides;
    double macs = 0;
    for (const Node& node : nodes_) {
        sides.push_back(at(node.shape, picture).value_or(std::vector<std::int64_t>(node.shape.size(), 0)));
        std::vector<std::vector<std::int64_t>> inputs;
        for (const int from : node.inputs) inputs.push_back(sides[static_cast<std::size_t>(from)]);
        macs += traits(node.op).macs(node.op, inputs, sides.back());
    }
    return macs / (static_cast<double>(picture.width) * picture.height);
}

std::int64_t Graph::parameters() const {
    std::int64_t total = 0;
    for (const Node& node : nodes_) total += enlarge::parameters(node.op);
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
    if (!last.picture()) return Error{Errc::format, "the output is no picture: " + text(last.shape)};
    if (last.den != 1) return Error{Errc::format, "the output is smaller than the input: " + text(last.shape)};
    if (own_ && (own_->width % multiple_ != 0 || own_->height % multiple_ != 0))
        return Error{Errc::format, "a network for pictures of " + std::to_string(own_->width) + "x" +
                                       std::to_string(own_->height) + " whose sides must be multiples of " +
                                       std::to_string(multiple_)};
    if (last.channels > 4)
        return Error{Errc::format, "the output has " + std::to_string(last.channels) + " channels; expected 1 to 4"};
    return {};
}

}  // namespace enlarge
