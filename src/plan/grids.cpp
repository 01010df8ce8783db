// SPDX-License-Identifier: Apache-2.0
#include "plan/grids.hpp"

#include "base/at.hpp"
#include "plan/chains.hpp"

namespace enlarge {
namespace {

class Finder {
public:
    explicit Finder(const Graph& graph) : nodes_(graph.nodes()), users_(users_of(graph)) {}

    [[nodiscard]] std::optional<ChannelGrid> around(int attention) const {
        ChannelGrid grid;
        grid.attention = attention;
        const int joined = before<op::Reshape>(attention), turned = before<op::Transpose>(joined),
                  parted = before<op::Reshape>(turned), taken = before<op::PixelUnshuffle>(parted);
        const int split = after<op::Reshape>(attention), back = after<op::Transpose>(split),
                  merged = after<op::Reshape>(back);
        grid.last = after<op::PixelShuffle>(merged);
        if (taken < 0 || grid.last < 0) return {};
        grid.input = at(nodes_, taken).inputs[0];
        grid.side = at(nodes_, taken).as<op::PixelUnshuffle>()->factor;
        grid.nodes = {taken, parted, turned, joined, attention, split, back, merged, grid.last};
        const int places = grid.side * grid.side, channels = at(nodes_, grid.last).channels;
        const auto* op = at(nodes_, attention).as<op::ChannelAttention>();
        const bool fits = op->window == 0 && op->heads % places == 0 && channels > 0 &&
                          at(nodes_, grid.input).channels == 3 * channels &&
                          at(nodes_, grid.last).as<op::PixelShuffle>()->factor == grid.side &&
                          at(nodes_, grid.last).shape == with_channels(grid.input, channels) &&
                          is_order(turned, {0, 2, 1, 3, 4}) && is_order(back, {1, 0, 2, 3}) &&
                          begins_with(parted, {3, channels, places}) && begins_with(joined, {3 * places * channels}) &&
                          begins_with(split, {places, channels}) && begins_with(merged, {channels * places});
        return fits ? std::optional(grid) : std::nullopt;
    }

private:
    // The node of that kind that makes the input of node i and nothing else's.
    template <class Op>
    [[nodiscard]] int before(int i) const {
        if (i < 0) return -1;
        const int from = at(nodes_, i).inputs[0];
        return at(nodes_, from).is<Op>() && at(users_, from).size() == 1 ? from : -1;
    }
    template <class Op>
    [[nodiscard]] int after(int i) const {
        if (i < 0 || at(users_, i).size() != 1) return -1;
        const int user = at(users_, i)[0];
        return at(nodes_, user).is<Op>() ? user : -1;
    }
    [[nodiscard]] bool is_order(int i, const std::vector<int>& order) const {
        return at(nodes_, i).as<op::Transpose>()->order == order;
    }
    // Two more sides follow: rows and columns.
    [[nodiscard]] bool begins_with(int i, const std::vector<int>& sides) const {
        const Shape& shape = at(nodes_, i).shape;
        if (shape.size() != sides.size() + 2) return false;
        for (std::size_t k = 0; k < sides.size(); ++k)
            if (shape[k] != Extent(sides[k])) return false;
        return true;
    }
    [[nodiscard]] Shape with_channels(int i, int channels) const {
        Shape shape = at(nodes_, i).shape;
        shape[0] = Extent(channels);
        return shape;
    }

    const std::vector<Node>& nodes_;
    std::vector<std::vector<int>> users_;
};

}  // namespace

std::vector<ChannelGrid> find_channel_grids(const Graph& graph) {
    const Finder finder(graph);
    std::vector<ChannelGrid> grids;
    for (std::size_t i = 0; i < graph.nodes().size(); ++i)
        if (graph.nodes()[i].is<op::ChannelAttention>())
            if (auto grid = finder.around(static_cast<int>(i))) grids.push_back(std::move(*grid));
    return grids;
}

}  // namespace enlarge
