// SPDX-License-Identifier: Apache-2.0
// What samples, moves or orders: resizing, sampling at given places, edges, gathering, other shapes.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "backend/reference/resize_taps.hpp"
#include "backend/reference/run.hpp"

namespace enlarge::reference {
namespace {

// Keys' cubic with parameter `a`, at distance x.
double cubic(double x, double a) {
    x = std::fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
}

}  // namespace

ResizeTaps taps_at(const op::Resize& op, std::int64_t i, std::int64_t in, std::int64_t out) {
    using Mode = op::Resize::Mode;
    if (op.mode == Mode::nearest) return {i * in / out};
    const double ratio = static_cast<double>(in) / static_cast<double>(out);
    double place = (static_cast<double>(i) + 0.5) * ratio - 0.5;
    if (op.align_corners) place = out > 1 ? static_cast<double>(i * (in - 1)) / static_cast<double>(out - 1) : 0;
    if (op.mode == Mode::bilinear) place = std::max(place, 0.0);
    const double whole = std::floor(place), part = place - whole;
    ResizeTaps taps;
    if (op.mode == Mode::bilinear) {
        taps.first = static_cast<std::int64_t>(whole);
        taps.count = 2;
        taps.weight[0] = 1 - part;
        taps.weight[1] = part;
    } else {
        taps.first = static_cast<std::int64_t>(whole) - 1;
        taps.count = 4;
        for (int k = 0; k < 4; ++k) taps.weight[k] = cubic(part + 1 - k, op.cubic);
    }
    return taps;
}

double sample_place(const op::GridSample& op, float at, std::int64_t size, std::int64_t result, std::int64_t of) {
    const auto n = static_cast<double>(size);
    double pixel = op.align_corners ? (double{at} + 1) / 2 * (n - 1) : ((double{at} + 1) * n - 1) / 2;
    if (op.offsets) pixel = static_cast<double>(result * size / of) + double{at};
    if (op.beyond == op::GridSample::Beyond::border) pixel = std::clamp(pixel, 0.0, n - 1);
    // Far outside there is nothing, however far; this keeps it within whole numbers.
    return std::isnan(pixel) ? pixel : std::clamp(pixel, -2.0, n + 1);
}

void Run::operator()(const op::Resize& op) const {
    const std::int64_t h = a().sides[1], w = a().sides[2];
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        const ResizeTaps down = taps_at(op, y, h, out.sides[1]);
        for (int x = 0; x < out.width(); ++x) {
            const ResizeTaps across = taps_at(op, x, w, out.sides[2]);
            double sum = 0;
            for (int i = 0; i < down.count; ++i)
                for (int j = 0; j < across.count; ++j)
                    sum += down.weight[i] * across.weight[j] *
                           a().at(c, std::clamp(down.first + i, std::int64_t{0}, h - 1),
                                  std::clamp(across.first + j, std::int64_t{0}, w - 1));
            to[x] = static_cast<float>(sum);
        }
    });
}

void Run::operator()(const op::GridSample& op) const {
    const std::int64_t h = a().sides[1], w = a().sides[2], channels = a().sides[0] / op.groups;
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        const std::int64_t group = c / channels;
        for (int x = 0; x < out.width(); ++x) {
            const double px = sample_place(op, b().at(2 * group, y, x), w, x, out.sides[2]),
                         py = sample_place(op, b().at(2 * group + 1, y, x), h, y, out.sides[1]);
            if (std::isnan(px) || std::isnan(py)) {
                to[x] = NAN;
                continue;
            }
            const auto left = static_cast<std::int64_t>(std::floor(px)),
                       top = static_cast<std::int64_t>(std::floor(py));
            const double right_share = px - std::floor(px), bottom_share = py - std::floor(py);
            double sum = 0;
            for (int i = 0; i < 2; ++i)
                for (int j = 0; j < 2; ++j) {
                    if (top + i < 0 || left + j < 0 || top + i >= h || left + j >= w) continue;
                    sum += (i ? bottom_share : 1 - bottom_share) * (j ? right_share : 1 - right_share) *
                           a().at(c, top + i, left + j);
                }
            to[x] = static_cast<float>(sum);
        }
    });
}

void Run::operator()(const op::Pad& op) const {
    const std::int64_t h = a().sides[1], w = a().sides[2];
    using Mode = op::Pad::Mode;
    // Back and forth between the edges, which are not repeated.
    const auto mirrored = [&](std::int64_t i, std::int64_t n) {
        if (op.mode == Mode::repeat) return std::clamp(i, std::int64_t{0}, n - 1);
        if (n == 1) return std::int64_t{0};
        const std::int64_t period = 2 * (n - 1);
        i = (i % period + period) % period;
        return i < n ? i : period - i;
    };
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        for (int x = 0; x < out.width(); ++x) {
            const std::int64_t from_y = y - op.top, from_x = x - op.left;
            const bool inside = from_y >= 0 && from_x >= 0 && from_y < h && from_x < w;
            to[x] = inside || op.mode != Mode::zeros ? a().at(c, mirrored(from_y, h), mirrored(from_x, w)) : 0;
        }
    });
}

void Run::operator()(const op::Crop& op) const {
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        std::copy_n(a().row(c, y + op.top) + op.left, out.width(), to);
    });
}

void Run::operator()(const op::Roll& op) const {
    const std::int64_t h = a().sides[1], w = a().sides[2];
    rows([&](std::int64_t c, std::int64_t y, float* to) {
        for (std::int64_t x = 0; x < w; ++x)
            to[x] = a().at(c, ((y - op.rows) % h + h) % h, ((x - op.columns) % w + w) % w);
    });
}

void Run::operator()(const op::Argmax& op) const {
    const std::int64_t side = a().side(op.axis);
    const std::int64_t inner = a().product(a().index(op.axis) + 1, a().sides.size());
    lines(a(), op.axis, [&](std::int64_t first, std::int64_t step) {
        std::int64_t best = 0;
        for (std::int64_t i = 1; i < side; ++i)
            if (a().at(first + i * step) > a().at(first + best * step)) best = i;
        out.at(first / (side * inner) * inner + first % inner) = static_cast<float>(best);
    });
}

void Run::operator()(const op::Argsort& op) const {
    const std::int64_t side = a().side(op.axis);
    lines(a(), op.axis, [&](std::int64_t first, std::int64_t step) {
        std::vector<std::int64_t> order(static_cast<std::size_t>(side));
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
            const float p = a().at(first + i * step), q = a().at(first + j * step);
            return op.descending ? p > q : p < q;
        });
        for (std::int64_t i = 0; i < side; ++i)
            out.at(first + i * step) = static_cast<float>(order[static_cast<std::size_t>(i)]);
    });
}

void Run::operator()(const op::Gather& op) const {
    const std::size_t axis = a().index(op.axis);
    const std::int64_t inner = out.product(axis + 1, out.sides.size()), side = out.sides[axis], from = a().sides[axis];
    const bool slices = b().sides.size() == 1;
    // Beyond the end is the end: a place that a network computed wrongly reads nothing that is not there.
    const auto place = [&](float at) {
        return std::isnan(at) ? std::int64_t{0}
                              : static_cast<std::int64_t>(std::clamp(double{at}, 0.0, static_cast<double>(from - 1)));
    };
    for_each(static_cast<std::int64_t>(out.values.size()) / inner, pool, [&](std::int64_t row) {
        for (std::int64_t i = 0; i < inner; ++i) {
            const std::int64_t at = row * inner + i;
            out.at(at) = a().at((row / side * from + place(b().at(slices ? row % side : at))) * inner + i);
        }
    });
}

void Run::operator()(const op::Reshape&) const { out.values = a().values; }

void Run::operator()(const op::Transpose& op) const {
    const std::size_t n = out.sides.size();
    std::vector<std::int64_t> step(n);
    for (std::size_t k = 0; k < n; ++k) step[k] = a().product(static_cast<std::size_t>(op.order[k]) + 1, n);
    for_each(static_cast<std::int64_t>(out.values.size()) / out.sides[n - 1], pool, [&](std::int64_t row) {
        std::int64_t from = 0, rest = row;
        for (std::size_t k = n - 1; k-- > 0; rest /= out.sides[k]) from += rest % out.sides[k] * step[k];
        for (std::int64_t i = 0; i < out.sides[n - 1]; ++i)
            out.at(row * out.sides[n - 1] + i) = a().at(from + i * step[n - 1]);
    });
}

void Run::operator()(const op::Slice& op) const {
    const std::size_t axis = a().index(op.axis);
    const std::int64_t inner = out.product(axis + 1, out.sides.size()), side = out.sides[axis], from = a().sides[axis];
    const std::int64_t begin = op.begin < 0 ? from + op.begin : op.begin;
    for_each(static_cast<std::int64_t>(out.values.size()) / inner, pool, [&](std::int64_t row) {
        std::copy_n(a().values.begin() + (row / side * from + begin + row % side * op.step) * inner, inner,
                    out.values.begin() + row * inner);
    });
}

}  // namespace enlarge::reference
