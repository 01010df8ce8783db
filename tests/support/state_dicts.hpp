// SPDX-License-Identifier: Apache-2.0
// Random state dicts with the keys of the public networks.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/networks.hpp"
#include "weights/state_dict.hpp"

namespace enlarge::test {

class StateDictMaker {
public:
    explicit StateDictMaker(std::uint64_t seed) : random_(seed) {}

    void tensor(const std::string& name, std::vector<std::int64_t> shape, float bound) {
        std::size_t count = 1;
        for (const std::int64_t size : shape) count *= static_cast<std::size_t>(size);
        weights.tensors[name] = {std::move(shape), random_.floats(count, -bound, bound)};
    }
    void conv(const std::string& name, int in, int out, int kernel = 3, float gain = 1.0F, bool bias = true) {
        tensor(name + ".weight", {out, in, kernel, kernel}, gain * std::sqrt(6.0F / static_cast<float>(in * kernel * kernel)));
        if (bias) tensor(name + ".bias", {out}, 0.05F);
    }
    StateDict weights;

private:
    Random random_;
};

inline StateDict compact_weights(std::uint64_t seed, const CompactSpec& spec = {}) {
    StateDictMaker make(seed);
    const auto body = [](int i) { return "body." + std::to_string(i); };
    for (int i = 0; i <= spec.convs; ++i) {
        make.conv(body(2 * i), i == 0 ? spec.channels : spec.features, spec.features);
        make.tensor(body(2 * i + 1) + ".weight", {spec.features}, 0.4F);
    }
    make.conv(body(2 * spec.convs + 2), spec.features, spec.channels * spec.scale * spec.scale, 3, 0.1F);
    return make.weights;
}

enum class RrdbKeys { esrgan, real, bsrgan, esrgan_plus };

inline StateDict rrdb_weights(std::uint64_t seed, RrdbKeys style, const RrdbSpec& spec = {}) {
    StateDictMaker make(seed);
    const bool old = style == RrdbKeys::esrgan || style == RrdbKeys::esrgan_plus, real = style == RrdbKeys::real;
    const int nf = spec.features, gc = spec.growth, ups = spec.upconvs;
    const auto number = [](int i) { return std::to_string(i); };
    make.conv(old ? "model.0" : "conv_first", spec.channels * spec.unshuffle * spec.unshuffle, nf);
    for (int block = 0; block < spec.blocks; ++block)
        for (int dense = 1; dense <= 3; ++dense) {
            const std::string prefix = (old ? "model.1.sub." : real ? "body." : "RRDB_trunk.") + number(block) +
                                       (real ? ".rdb" : ".RDB") + number(dense) + ".conv";
            for (int k = 1; k <= 5; ++k)
                make.conv(prefix + number(k) + (old ? ".0" : ""), nf + (k - 1) * gc, k < 5 ? gc : nf);
            if (style == RrdbKeys::esrgan_plus) make.conv(prefix + "1x1", nf, gc, 1, 1, false);
        }
    make.conv(old ? "model.1.sub." + number(spec.blocks) : real ? "conv_body" : "trunk_conv", nf, nf);
    for (int up = 1; up <= ups; ++up)
        make.conv(old ? "model." + number(3 * up) : (real ? "conv_up" : "upconv") + number(up), nf, nf);
    make.conv(old ? "model." + number(3 * ups + 2) : real ? "conv_hr" : "HRconv", nf, nf);
    make.conv(old ? "model." + number(3 * ups + 4) : "conv_last", nf, spec.channels, 3, 0.3F);
    return make.weights;
}

enum class SpanForm { full, slim };

inline StateDict span_weights(std::uint64_t seed, SpanForm form, const SpanSpec& spec = {}) {
    StateDictMaker make(seed);
    const int nf = spec.features;
    const auto conv3xc = [&](const std::string& name, int in, float gain = 1.0F) {
        if (form == SpanForm::full) {
            make.conv(name + ".sk", in, nf, 1, gain);
            make.conv(name + ".conv.0", in, 2 * in, 1, gain);
            make.conv(name + ".conv.1", 2 * in, 2 * nf, 3);
            make.conv(name + ".conv.2", 2 * nf, nf, 1);
        }
        make.conv(name + ".eval_conv", in, nf, 3, gain);
    };
    conv3xc("conv_1", 3, spec.norm ? 1.0F / 64 : 1.0F);
    for (int i = 1; i <= 6; ++i)
        for (const char* part : {".c1_r", ".c2_r", ".c3_r"}) conv3xc("block_" + std::to_string(i) + part, nf);
    make.conv("conv_cat", 4 * nf, nf, 1);
    conv3xc("conv_2", nf);
    make.conv("upsampler.0", nf, 3 * spec.scale * spec.scale, 3, 0.3F);
    if (!spec.norm) make.tensor("no_norm", {1}, 0);
    return make.weights;
}

}  // namespace enlarge::test
