// SPDX-License-Identifier: Apache-2.0
// Steps one after another on a few pixels at a time: products, norms and activations between two attentions pass no
// tensor through memory.
#include "backend/cpu/tensors/together.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "backend/cpu/tensors/session.hpp"
#include "base/at.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu::tensors {
namespace {

template <class T, class... Kinds>
constexpr bool kIsAnyOf = (std::is_same_v<T, Kinds> || ...);

// Operations whose pixels depend on the pixels at the same place, where they have code here at all.
struct PixelByPixel {
    template <class T>
    bool operator()(const T&) const {
        return kIsAnyOf<T, op::Prelu, op::LeakyRelu, op::Silu, op::Gelu, op::Mish, op::Sigmoid, op::Tanh, op::HardSwish,
                        op::Clamp, op::Add, op::Multiply, op::Maximum, op::SpanGate, op::ScaleShift, op::Concat,
                        op::Slice, op::LayerNorm, op::RmsNorm, op::L2Norm>;
    }
};

class Finder {
public:
    explicit Finder(PreparedNetwork& network) : network_(network), steps_(network.steps) {}

    void run() {
        const auto count = static_cast<int>(steps_.size());
        network_.end.resize(steps_.size());
        network_.within.assign(network_.graph.nodes().size(), -1);
        const std::vector<int> last_reader = last_readers();
        for (int first = 0, end = 0; first < count; first = end) {
            end = first + 1;
            if (pixel_by_pixel(first))
                while (end < count && pixel_by_pixel(end) && same_size(at(steps_, first).node, at(steps_, end).node))
                    ++end;
            for (int s = first; s < end; ++s) at(network_.end, s) = end;
            if (end - first > 1)
                for (int s = first; s < end; ++s)
                    if (const int node = at(steps_, s).node; at(last_reader, node) < end) at(network_.within, node) = s;
        }
    }

private:
    [[nodiscard]] const Shape& shape(int node) const { return at(network_.graph.nodes(), node).shape; }
    [[nodiscard]] bool same_size(int a, int b) const {
        return shape(a)[1] == shape(b)[1] && shape(a)[2] == shape(b)[2];
    }
    [[nodiscard]] bool is_number(int node) const { return shape(node)[1] == Extent(1) && shape(node)[2] == Extent(1); }

    [[nodiscard]] bool pixel_by_pixel(int s) const {
        const Step& step = at(steps_, s);
        if (step.plain || step.inputs.empty()) return false;
        for (const int from : step.inputs)
            if (!same_size(from, step.node) && !is_number(from)) return false;
        if (step.convolution) {
            const op::Conv2d& conv = step.convolution->op;
            return step.convolution->kind == Convolution::Kind::direct && conv.kernel_h == 1 && conv.kernel_w == 1 &&
                   same_size(step.inputs[0], step.node);
        }
        return std::visit(PixelByPixel{}, at(network_.graph.nodes(), step.operation).op);
    }

    // Of each node the last step that reads it; the picture itself is read after all of them.
    [[nodiscard]] std::vector<int> last_readers() const {
        std::vector<int> last(network_.graph.nodes().size(), -1);
        for (int s = 0; s < static_cast<int>(steps_.size()); ++s)
            for (const int from : at(steps_, s).inputs) at(last, from) = s;
        last.back() = static_cast<int>(steps_.size());
        return last;
    }

    PreparedNetwork& network_;
    const std::vector<Step>& steps_;
};

constexpr std::int64_t kFloats = 1 << 17;  // of results that stay in a cache: a second-level cache
constexpr int kMost = 192, kLeast = 24;    // pixels at a time

// Pixels at a time, whose results that stay here are so many floats each.
int most_pixels(std::int64_t floats, const KernelTable& kernels) {
    const auto fits =
        static_cast<int>(std::clamp<std::int64_t>(kFloats / std::max<std::int64_t>(floats, 1), kLeast, kMost));
    return round_up(fits, kernels.fast_terms ? 2 * kTermRows : kernels.tile_multiple);
}

}  // namespace

std::int64_t together_floats(const PreparedNetwork& network, std::size_t first, std::size_t end,
                             const KernelTable& kernels) {
    const auto padded = [&](int node) {
        return round_up(at(network.graph.nodes(), node).channels, kernels.lanes);
    };
    std::int64_t floats = 0, terms = 0;
    const std::span<const Step> steps(network.steps.data() + first, end - first);
    for (const Step& step : steps)
        if (at(network.within, step.node) >= 0) floats += padded(step.node);
    const int most = most_pixels(floats, kernels);
    for (const Step& step : steps)
        if (step.convolution)
            terms = std::max(terms, term_floats(*step.convolution, padded(step.inputs[0]), most, kernels));
    return floats * most + terms;
}

void find_what_goes_together(PreparedNetwork& network) { Finder(network).run(); }

void Runner::compute_together(std::size_t first, std::size_t end, Size continued) {
    const std::span<const Step> steps(network_->steps.data() + first, end - first);
    const Tensor& result = at(tensors_, steps[0].node);
    bool flat = true;
    std::int64_t floats = 0;
    const auto look_at = [&](int i) {
        const Layout& l = *at(tensors_, i).layout;
        flat = flat && (l.row_floats == std::ptrdiff_t{l.width} * l.padded || (l.width == 1 && l.height == 1));
    };
    for (const Step& step : steps) {
        look_at(step.node);
        for (const int from : step.inputs) look_at(from);
        if (at(network_->within, step.node) >= 0)
            floats += at(tensors_, step.node).padded();
        else
            clear_borders(at(tensors_, step.node));
    }
    const std::int64_t line = flat ? std::int64_t{result.width()} * result.height() : result.width(),
                       lines = flat ? 1 : result.height();
    const int multiple = kernels_.fast_terms ? 2 * kTermRows : kernels_.tile_multiple;
    const std::int64_t most = most_pixels(floats, kernels_), parts = (line + most - 1) / most;
    const std::int64_t each =
        std::min<std::int64_t>(most, round_up(static_cast<int>((line + parts - 1) / parts), multiple));
    std::int64_t terms = 0;
    for (const Step& step : steps)
        if (step.convolution)
            terms = std::max(terms, term_floats(*step.convolution, at(tensors_, step.inputs[0]).padded(),
                                                static_cast<int>(each), kernels_));
    parallel(parts * lines, [&](std::int64_t i, Scratch& scratch) {
        const std::int64_t x = i % parts * each;
        const PixelSpan span{static_cast<int>(i / parts), static_cast<int>(x),
                             static_cast<int>(std::min(each, line - x))};
        if (span.n <= 0) return;
        float* memory = scratch.floats(floats * each + terms);
        float* const term_memory = memory + floats * each;
        std::vector<Tensor> made;
        // A result that stays here lies as if its pixels of this span were where the memory is.
        const auto tensor = [&](int which) {
            const int s = at(network_->within, which);
            return s < 0 ? at(tensors_, which) : at(made, s - static_cast<int>(first));
        };
        for (const Step& step : steps) {
            Tensor out = at(tensors_, step.node);
            if (at(network_->within, step.node) >= 0) {
                const Layout& l = *out.layout;
                out.data = memory - (span.y * l.row_floats + (std::ptrdiff_t{l.left} + span.x) * l.padded);
                memory += each * l.padded;
            }
            made.push_back(out);
            Compute compute{*this, step, out, {}, continued, span, term_memory};
            for (const int from : step.inputs) compute.in.push_back(tensor(from));
            if (step.convolution)
                compute.convolve();
            else
                std::visit([&](const auto& op) { compute(op); }, node(step.operation).op);
        }
    });
}

}  // namespace enlarge::cpu::tensors
