// SPDX-License-Identifier: Apache-2.0
#include "arch/merge.hpp"

#include <algorithm>
#include <utility>

namespace enlarge {

Merged merge_conv3xc(Builder& b, const std::string& name, int in, int out) {
    const int mid = b.dim(name + ".conv.0.weight", 0), wide = b.dim(name + ".conv.1.weight", 0);
    // Training widens by two. A file may repeat few numbers many times, and what is merged here grows with the product.
    constexpr int kMostWidening = 16;
    const std::int64_t most = std::int64_t{kMostWidening} * std::max(in, out);
    if (mid > most || wide > most) {
        b.fail(Errc::unsupported, "'" + name + "' widens " + std::to_string(in) + " channels to " +
                                      std::to_string(std::max(mid, wide)) + "; at most " + std::to_string(most) +
                                      " are expected");
        return {};
    }
    // Numbers, and for what takes longer than memory a thousandth of the multiplications.
    if (!b.expand(std::int64_t{9} * in * (std::int64_t{wide} + out) + std::int64_t{9} * wide * mid / 1024 * in))
        return {};
    const std::vector<float> w1 = b.take(name + ".conv.0.weight", {mid, in, 1, 1}),
                             b1 = b.take(name + ".conv.0.bias", {mid});
    const std::vector<float> w2 = b.take(name + ".conv.1.weight", {wide, mid, 3, 3}),
                             b2 = b.take(name + ".conv.1.bias", {wide});
    const std::vector<float> w3 = b.take(name + ".conv.2.weight", {out, wide, 1, 1}),
                             b3 = b.take(name + ".conv.2.bias", {out});
    const std::vector<float> skip = b.take(name + ".sk.weight", {out, in, 1, 1}),
                             skip_bias = b.take(name + ".sk.bias", {out});
    b.ignore(name + ".eval_conv.weight");
    b.ignore(name + ".eval_conv.bias");
    if (skip_bias.empty() || b3.empty()) return {};

    const auto at = [](int row, int columns, int column) {
        return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column);
    };
    // First 3x3 after 1x1: wide x in x 9.
    std::vector<double> inner(at(wide, in * 9, 0), 0.0), inner_bias(static_cast<std::size_t>(wide));
    for (int o = 0; o < wide; ++o) {
        double sum = b2[static_cast<std::size_t>(o)];
        for (int m = 0; m < mid; ++m)
            for (int tap = 0; tap < 9; ++tap) {
                const double w = w2[at(o, mid * 9, m * 9 + tap)];
                sum += w * b1[static_cast<std::size_t>(m)];
                for (int i = 0; i < in; ++i) inner[at(o, in * 9, i * 9 + tap)] += w * w1[at(m, in, i)];
            }
        inner_bias[static_cast<std::size_t>(o)] = sum;
    }
    // Then the last 1x1, and the way past.
    Merged merged;
    std::vector<double> row(static_cast<std::size_t>(in) * 9);
    for (int o = 0; o < out; ++o) {
        std::fill(row.begin(), row.end(), 0.0);
        double sum = static_cast<double>(b3[static_cast<std::size_t>(o)]) + skip_bias[static_cast<std::size_t>(o)];
        for (int m = 0; m < wide; ++m) {
            const double w = w3[at(o, wide, m)];
            sum += w * inner_bias[static_cast<std::size_t>(m)];
            for (std::size_t i = 0; i < row.size(); ++i) row[i] += w * inner[at(m, in * 9, 0) + i];
        }
        for (int i = 0; i < in; ++i) row[static_cast<std::size_t>(i) * 9 + 4] += skip[at(o, in, i)];
        for (const double value : row) merged.weights.push_back(static_cast<float>(value));
        merged.bias.push_back(static_cast<float>(sum));
    }
    return merged;
}

int conv3xc(Builder& b, int from, const std::string& name, int out) {
    if (!b.has(name + ".sk.weight")) return b.conv(from, name + ".eval_conv", out);
    Merged merged = merge_conv3xc(b, name, b.channels(from), out);
    return b.conv(from, std::move(merged.weights), std::move(merged.bias));
}

namespace {

// A 3x3 after a 1x1; beyond the picture the 1x1 gives its bias, so the sum is exact.
Merged merge_pair(Builder& b, const std::string& name, int in, int out) {
    const int mid = b.dim(name + ".k0", 0);
    constexpr int kMostWidening = 16;
    if (mid > kMostWidening * std::max(in, out)) {
        b.fail(Errc::unsupported,
               "'" + name + "' widens " + std::to_string(in) + " channels to " + std::to_string(mid));
        return {};
    }
    if (!b.expand(std::int64_t{9} * in * out + std::int64_t{9} * out * mid / 1024 * in)) return {};
    const std::vector<float> k0 = b.take(name + ".k0", {mid, in, 1, 1}), b0 = b.take(name + ".b0", {mid});
    const std::vector<float> k1 = b.take(name + ".k1", {out, mid, 3, 3}), b1 = b.take(name + ".b1", {out});
    if (b.failed()) return {};
    Merged merged;
    std::vector<double> row(static_cast<std::size_t>(in) * 9);
    for (int o = 0; o < out; ++o) {
        std::fill(row.begin(), row.end(), 0.0);
        double sum = b1[static_cast<std::size_t>(o)];
        for (int m = 0; m < mid; ++m)
            for (int tap = 0; tap < 9; ++tap) {
                const double w =
                    k1[(static_cast<std::size_t>(o) * static_cast<std::size_t>(mid) + static_cast<std::size_t>(m)) * 9 +
                       static_cast<std::size_t>(tap)];
                sum += w * b0[static_cast<std::size_t>(m)];
                for (int i = 0; i < in; ++i)
                    row[static_cast<std::size_t>(i) * 9 + static_cast<std::size_t>(tap)] +=
                        w *
                        k0[static_cast<std::size_t>(m) * static_cast<std::size_t>(in) + static_cast<std::size_t>(i)];
            }
        for (const double value : row) merged.weights.push_back(static_cast<float>(value));
        merged.bias.push_back(static_cast<float>(sum));
    }
    return merged;
}

}  // namespace

int repconv(Builder& b, int from, const std::string& name, int out) {
    if (!b.has(name + ".alpha")) return b.conv(from, name + ".conv_3x3_rep", out);
    const int in = b.channels(from);
    const std::vector<float> share = b.take(name + ".alpha", {3});
    const Merged parts[] = {merge_pair(b, name + ".conv1", in, out),
                            {b.take(name + ".conv2.weight", {out, in, 3, 3}), b.take(name + ".conv2.bias", {out})},
                            merge_conv3xc(b, name + ".conv3", in, out)};
    b.ignore(name + ".conv_3x3_rep.weight");
    b.ignore(name + ".conv_3x3_rep.bias");
    if (b.failed()) return -1;
    const auto mix = [&](auto member) {
        std::vector<float> sum((parts[0].*member).size());
        for (std::size_t i = 0; i < sum.size(); ++i) {
            double value = 0;
            for (std::size_t k = 0; k < 3; ++k) value += double{share[k]} * (parts[k].*member)[i];
            sum[i] = static_cast<float>(value);
        }
        return sum;
    };
    return b.conv(from, mix(&Merged::weights), mix(&Merged::bias));
}

}  // namespace enlarge
