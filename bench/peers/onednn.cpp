// SPDX-License-Identifier: Apache-2.0
// oneDNN by itself on a Compact network: onednn FEATURES CONVS SCALE WIDTH HEIGHT RUNS; prints milliseconds, one run a
// line, and "maxrss BYTES" to stderr. Threads by OMP_NUM_THREADS. Layouts and algorithm are oneDNN's own choice, weights are
// reordered beforehand; 8-bit RGB in and out, as enlarge is measured. One slope for all channels instead of PReLU: with that
// as a post-operation oneDNN 2.6 takes its plain reference code. Weights are random: no value changes the speed.
// compare.py builds and runs it.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <random>
#include <unordered_map>
#include <vector>

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

struct Step {
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 7) {
        std::fprintf(stderr, "onednn FEATURES CONVS SCALE WIDTH HEIGHT RUNS\n");
        return 2;
    }
    const long features = std::atol(argv[1]), convs = std::atol(argv[2]), scale = std::atol(argv[3]), width = std::atol(argv[4]),
               height = std::atol(argv[5]), runs = std::atol(argv[6]);
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const auto filled = [&](const memory::desc& desc, float deviation) {
        memory m(desc, engine);
        auto* values = static_cast<float*>(m.get_data_handle());
        for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) values[i] = deviation * normal(random);
        return m;
    };

    const memory source({{1, 3, height, width}, Type::f32, Tag::nhwc}, engine);
    memory last = source;
    std::vector<Step> steps;
    const auto turn = [&](const memory::desc& layout) {
        memory turned(layout, engine);
        steps.push_back({dnnl::reorder(last, turned), {{DNNL_ARG_FROM, last}, {DNNL_ARG_TO, turned}}});
        last = turned;
    };
    for (long l = 0; l < convs; ++l) {
        const long in = l ? features : 3, out = l + 1 < convs ? features : 3 * scale * scale;
        dnnl::primitive_attr attributes;
        if (l + 1 < convs) {
            dnnl::post_ops post;
            post.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.1F, 0.0F);
            attributes.set_post_ops(post);
        }
        const auto any = [](memory::dims dims) { return memory::desc(dims, Type::f32, Tag::any); };
        const dnnl::convolution_forward::desc wanted(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto, any({1, in, height, width}),
                                                     any({out, in, 3, 3}), any({out}), any({1, out, height, width}), {1, 1}, {1, 1}, {1, 1});
        const dnnl::convolution_forward::primitive_desc chosen(wanted, attributes, engine);
        if (chosen.src_desc() != last.get_desc()) turn(chosen.src_desc());
        memory plain = filled({{out, in, 3, 3}, Type::f32, Tag::oihw}, std::sqrt(2.0F / static_cast<float>(9 * in)));
        memory weights(chosen.weights_desc(), engine), bias = filled(chosen.bias_desc(), 0.02F), result(chosen.dst_desc(), engine);
        dnnl::reorder(plain, weights).execute(stream, plain, weights);
        stream.wait();
        steps.push_back({dnnl::convolution_forward(chosen), {{DNNL_ARG_SRC, last}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, result}}});
        last = result;
    }
    turn({{1, 3 * scale * scale, height, width}, Type::f32, Tag::nhwc});

    std::vector<std::uint8_t> in(static_cast<std::size_t>(width * height * 3)), out(in.size() * static_cast<std::size_t>(scale * scale));
    for (std::uint8_t& v : in) v = static_cast<std::uint8_t>(random());
    for (long run = -1; run < runs; ++run) {
        const auto begin = std::chrono::steady_clock::now();
        auto* pixels = static_cast<float*>(source.get_data_handle());
        for (std::size_t i = 0; i < in.size(); ++i) pixels[i] = static_cast<float>(in[i]) / 255.0F;
        for (Step& step : steps) step.primitive.execute(stream, step.arguments);
        stream.wait();
        const auto* features_out = static_cast<const float*>(last.get_data_handle());
#pragma omp parallel for
        for (long y = 0; y < height * scale; ++y)
            for (long x = 0; x < width * scale; ++x)
                for (long c = 0; c < 3; ++c) {
                    const long pixel = y / scale * width + x / scale;
                    const float v = features_out[pixel * 3 * scale * scale + c * scale * scale + y % scale * scale + x % scale] + pixels[pixel * 3 + c];
                    out[static_cast<std::size_t>((y * width * scale + x) * 3 + c)] = static_cast<std::uint8_t>(std::nearbyint(std::clamp(v, 0.0F, 1.0F) * 255.0F));
                }
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
        if (run >= 0) std::printf("%.3f\n", took.count());
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::fprintf(stderr, "maxrss %ld\n", usage.ru_maxrss * 1024);
}
