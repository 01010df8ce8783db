// SPDX-License-Identifier: Apache-2.0
// What a family looks like and what it is refused for. That the numbers are right is shown by tests/golden.
#include "arch/arch.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backend/reference/reference.hpp"
#include "support/run_program.hpp"
#include "support/state_dicts.hpp"

namespace enlarge {
namespace {

using test::must;
using test::RrdbKeys;
using test::SpanForm;

std::string refusal(const StateDict& weights, Errc code) {
    const auto network = recognise(weights);
    if (network.ok()) return "(accepted)";
    EXPECT_EQ(network.error().code, code) << network.error().message;
    return network.error().message;
}

TEST(arch, reads_the_sizes_of_compact_networks_from_the_keys) {
    for (const test::CompactSpec spec : {test::CompactSpec{64, 32, 4, 3}, {24, 8, 2, 3}, {7, 0, 1, 3}, {16, 3, 3, 1}, {8, 1, 8, 3}, {8, 1, 2, 4}}) {
        const Network network = must(recognise(test::compact_weights(1, spec)));
        EXPECT_EQ(network.family, "Compact");
        EXPECT_EQ(network.number("features"), spec.features);
        EXPECT_EQ(network.number("blocks"), spec.convs);
        EXPECT_EQ(network.scale, spec.scale);
        EXPECT_EQ(network.graph.scale(), spec.scale);
        EXPECT_EQ(network.graph.input_channels(), spec.channels);
        EXPECT_EQ(network.graph.nodes().size(), test::compact_graph(1, spec).nodes().size());
    }
}

TEST(arch, refuses_integers_where_weights_are_expected) {
    StateDict weights = test::compact_weights(1, {8, 1, 2, 3});
    weights.tensors.at("body.2.weight").integers = true;
    EXPECT_EQ(refusal(weights, Errc::unsupported),
              "tensor 'body.2.weight' holds integers, as quantised files do; floats expected");
}

TEST(arch, names_the_tensor_that_a_compact_file_lacks) {
    StateDict weights = test::compact_weights(1, {8, 2, 2, 3});
    weights.tensors.erase("body.3.weight");
    EXPECT_EQ(refusal(weights, Errc::format), "tensor 'body.3.weight' is missing, though 'body.4.weight' is there");
}

TEST(arch, reads_the_sizes_of_rrdb_networks_in_all_four_key_styles) {
    const struct {
        test::RrdbSpec spec;
        int scale;
    } cases[] = {{{8, 4, 2, 2, 1, 3}, 4}, {{8, 4, 1, 1, 1, 3}, 2}, {{8, 3, 1, 3, 1, 3}, 8}, {{8, 4, 1, 4, 1, 3}, 16},
                 {{8, 4, 1, 0, 1, 3}, 1}, {{8, 4, 1, 2, 2, 3}, 2}, {{8, 4, 1, 2, 4, 3}, 1}, {{8, 4, 1, 2, 1, 1}, 4}};
    for (const auto& [spec, scale] : cases)
        for (const RrdbKeys keys : {RrdbKeys::esrgan, RrdbKeys::real, RrdbKeys::bsrgan, RrdbKeys::esrgan_plus}) {
            const Network network = must(recognise(test::rrdb_weights(1, keys, spec)));
            EXPECT_EQ(network.family, "RRDB");
            EXPECT_EQ(network.number("features"), spec.features);
            EXPECT_EQ(network.number("growth"), spec.growth);
            EXPECT_EQ(network.number("blocks"), spec.blocks);
            EXPECT_EQ(network.scale, scale);
            EXPECT_EQ(network.graph.input_channels(), spec.channels);
            EXPECT_EQ(network.graph.size_multiple(), spec.unshuffle);
        }
    EXPECT_EQ(must(recognise(test::rrdb_weights(1, RrdbKeys::esrgan_plus))).variant, "ESRGAN+ keys");
    EXPECT_EQ(must(recognise(test::rrdb_weights(1, RrdbKeys::bsrgan))).variant, "BSRGAN keys");
}

TEST(arch, the_key_style_of_an_rrdb_network_does_not_change_the_result) {
    // The generator draws the weights in the same order whatever the style.
    const test::FloatPicture picture = test::random_picture(2, 3, {24, 20});
    const auto run = [&](RrdbKeys keys) {
        return test::run_whole(reference_backend(), must(recognise(test::rrdb_weights(5, keys))).graph, picture);
    };
    const test::FloatPicture expected = run(RrdbKeys::real);
    EXPECT_TRUE(test::same_bits(expected, run(RrdbKeys::esrgan)));
    EXPECT_TRUE(test::same_bits(expected, run(RrdbKeys::bsrgan)));
    EXPECT_FALSE(test::same_bits(expected, run(RrdbKeys::esrgan_plus)));
}

TEST(arch, an_rrdb_network_with_one_upsampling_is_x3_where_its_name_says_so) {
    test::RrdbSpec spec;
    spec.upconvs = 1;
    const StateDict weights = test::rrdb_weights(1, RrdbKeys::esrgan, spec);
    EXPECT_EQ(must(recognise(weights)).scale, 2);
    EXPECT_EQ(must(recognise(weights, 2)).scale, 2);
    EXPECT_EQ(must(recognise(weights, 3)).scale, 3);
    const Network tripled = must(recognise(weights, 3));
    const test::FloatPicture picture = test::random_picture(2, 3, {24, 20});
    const auto expected = test::run_whole(reference_backend(), tripled.graph, picture);
    EXPECT_EQ(expected.size, (Size{72, 60}));
    EXPECT_LE(test::largest_difference(expected, test::run_whole(*must(choose_backend("cpu")), tripled.graph, picture)), 1e-4);
    EXPECT_EQ(must(recognise(test::rrdb_weights(1, RrdbKeys::esrgan), 3)).scale, 4);  // two upsamplings say x4
    EXPECT_EQ(must(recognise(test::compact_weights(1), 3)).scale, must(recognise(test::compact_weights(1))).scale);

    EXPECT_EQ(scale_in_name("3x_Faces_128.pth"), 3);
    EXPECT_EQ(scale_in_name("faces-x3.pth"), 3);
    EXPECT_EQ(scale_in_name("3X-Faces.safetensors"), 3);
    EXPECT_EQ(scale_in_name("2x_from_3x.pth"), 0);
    EXPECT_EQ(scale_in_name("1x3x.pth"), 0);
    EXPECT_EQ(scale_in_name("faces_0x30.pth"), 0);
    EXPECT_EQ(scale_in_name("box3d.pth"), 0);
    EXPECT_EQ(scale_in_name("maxx33.pth"), 0);
    EXPECT_EQ(scale_in_name("RealESRGAN_x2plus.pth"), 2);
}

// An RCAN or, without gates, an EDSR of the original keys, for pictures multiplied by `range`. Its own part works on
// values between 0 and 1, so that all ranges give the same pictures.
StateDict ranged_weights(bool gates, double range, double deviation = 1) {
    constexpr double kMeans[] = {0.4488, 0.4371, 0.4040};
    StateDict weights;
    test::Random random(3);
    const auto put = [&](const std::string& name, const std::vector<std::int64_t>& shape, double factor) {
        std::int64_t count = 1;
        for (const std::int64_t side : shape) count *= side;
        std::vector<float> values;
        for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.uniform(-1, 1) * factor));
        weights.tensors[name] = {shape, std::move(values)};
    };
    const auto conv = [&](const std::string& name, std::int64_t out, std::int64_t in, std::int64_t kernel,
                          double factor = 0.2, double bias = 0.2) {
        put(name + ".weight", {out, in, kernel, kernel}, factor);
        put(name + ".bias", {out}, bias);
    };
    for (const bool back : {false, true}) {
        std::vector<float> weight(9), bias(3);
        for (std::size_t c = 0; c < 3; ++c) {
            weight[c * 4] = static_cast<float>(1 / deviation);
            bias[c] = static_cast<float>((back ? 1 : -1) * range * kMeans[c] / deviation);
        }
        const std::string name = back ? "add_mean" : "sub_mean";
        weights.tensors[name + ".weight"] = {{3, 3, 1, 1}, weight};
        weights.tensors[name + ".bias"] = {{3}, bias};
    }
    const std::string block = gates ? "body.0.body.0.body" : "body.0.body";
    conv("head.0", 4, 3, 3, 0.2 / range);
    conv(block + ".0", 4, 4, 3);
    conv(block + ".2", 4, 4, 3);
    if (gates) {
        conv(block + ".3.conv_du.0", 2, 4, 1);
        conv(block + ".3.conv_du.2", 4, 2, 1);
        conv("body.0.body.1", 4, 4, 3);
    }
    conv("body.1", 4, 4, 3);
    conv("tail.0.0", 16, 4, 3);
    conv("tail.1", 3, 4, 3, 0.2 * range, 0.2 * range);
    return weights;
}

TEST(arch, the_range_of_values_is_what_the_convolutions_for_the_mean_tell) {
    const test::FloatPicture picture = test::random_picture(2, 3, {12, 10});
    const auto run = [&](const StateDict& weights) {
        return test::run_whole(reference_backend(), must(recognise(weights)).graph, picture);
    };
    for (const bool gates : {true, false}) {
        const test::FloatPicture expected = run(ranged_weights(gates, 255));
        EXPECT_EQ(must(recognise(ranged_weights(gates, 255))).variant, "with mean");
        EXPECT_EQ(must(recognise(ranged_weights(gates, 1))).variant, "with mean, range 1");
        for (const double range : {1.0, 100.0}) {
            SCOPED_TRACE(range);
            EXPECT_LE(test::largest_difference(expected, run(ranged_weights(gates, range))), 1e-5);
        }
        EXPECT_EQ(must(recognise(ranged_weights(gates, 1, 0.25))).variant, "with mean, range 1") << "a deviation";
        StateDict moved = ranged_weights(gates, 1);  // by training
        moved.tensors.at("sub_mean.bias").values.edit()[1] = -0.4188F;
        moved.tensors.at("add_mean.weight").values.edit()[0] = 1.02F;
        EXPECT_EQ(must(recognise(moved)).variant, "with mean, range 1");
    }
}

TEST(arch, convolutions_for_the_mean_that_tell_no_range_are_refused) {
    StateDict weights = ranged_weights(true, 255);
    weights.tensors.at("add_mean.bias") = ranged_weights(true, 1).tensors.at("add_mean.bias");
    EXPECT_EQ(refusal(weights, Errc::unsupported),
              "this seems to be RCAN, but sub_mean and add_mean do not tell one range of values: 255, 255, 255, 1, 1, "
              "1");
    weights = ranged_weights(false, 1);
    weights.tensors.at("sub_mean.bias").values.edit()[0] = 0;
    EXPECT_EQ(refusal(weights, Errc::unsupported),
              "this seems to be EDSR, but sub_mean and add_mean do not tell one range of values: 0, 1, 1, 1, 1, 1");
}

TEST(arch, reads_span_networks_full_and_slim_with_and_without_normalisation) {
    for (const SpanForm form : {SpanForm::full, SpanForm::slim})
        for (const bool norm : {true, false})
            for (const int scale : {1, 2, 3, 4}) {
                const Network network = must(recognise(test::span_weights(1, form, {6, scale, norm})));
                EXPECT_EQ(network.family, "SPAN");
                EXPECT_EQ(network.number("features"), 6);
                EXPECT_EQ(network.number("blocks"), 6);
                EXPECT_EQ(network.scale, scale);
                EXPECT_EQ(network.variant, std::string(form == SpanForm::full ? "full" : "slim") + (norm ? "" : ", no normalisation"));
            }
}

TEST(arch, a_span_networks_stored_merged_convolutions_are_not_trusted_when_the_parts_are_there) {
    StateDict weights = test::span_weights(3, SpanForm::full);
    const test::FloatPicture picture = test::random_picture(2, 3, {24, 20});
    const auto before = test::run_whole(reference_backend(), must(recognise(weights)).graph, picture);
    for (float& value : weights.tensors.at("block_3.c2_r.eval_conv.weight").values.edit()) value = 7;
    const auto stale = test::run_whole(reference_backend(), must(recognise(weights)).graph, picture);
    EXPECT_TRUE(test::same_bits(before, stale));
    for (float& value : weights.tensors.at("block_3.c2_r.sk.weight").values.edit()) value = 7;
    EXPECT_FALSE(test::same_bits(before, test::run_whole(reference_backend(), must(recognise(weights)).graph, picture)));
}

std::vector<StateDict> one_of_each() {
    return {test::compact_weights(1), test::rrdb_weights(1, RrdbKeys::esrgan), test::rrdb_weights(1, RrdbKeys::real),
            test::rrdb_weights(1, RrdbKeys::bsrgan), test::rrdb_weights(1, RrdbKeys::esrgan_plus),
            test::span_weights(1, SpanForm::full), test::span_weights(1, SpanForm::slim)};
}

TEST(arch, a_file_with_one_tensor_missing_is_never_half_loaded) {
    for (const StateDict& whole : one_of_each())
        for (const auto& [name, tensor] : whole.tensors) {
            // A full SPAN file does not need its merged convolutions.
            if (whole.tensors.contains("conv_1.sk.weight") && name.find("eval_conv") != std::string::npos) continue;
            StateDict damaged = whole;
            damaged.tensors.erase(name);
            const auto network = recognise(damaged);
            EXPECT_FALSE(network.ok()) << name;
        }
}

TEST(arch, a_tensor_that_does_not_belong_is_named) {
    for (StateDict weights : one_of_each()) {
        weights.tensors["zz.extra.weight"] = {{2, 2}, {1, 2, 3, 4}};
        EXPECT_EQ(refusal(weights, Errc::format),
                  "tensor 'zz.extra.weight' (2x2) does not belong to this network; nothing was loaded");
    }
}

TEST(arch, a_tensor_of_the_wrong_shape_is_named_with_both_shapes) {
    StateDict weights = test::compact_weights(1);
    weights.tensors.at("body.2.weight") = {{16, 16, 3, 4}, std::vector<float>(16 * 16 * 12)};
    EXPECT_EQ(refusal(weights, Errc::format), "tensor 'body.2.weight' is 16x16x3x4; expected 16x16x3x3");
    for (const StateDict& whole : one_of_each())
        for (const auto& [name, tensor] : whole.tensors) {
            if (name.find("eval_conv") != std::string::npos && whole.tensors.contains("conv_1.sk.weight")) continue;
            StateDict damaged = whole;
            Tensor& changed = damaged.tensors.at(name);
            changed.shape.push_back(2);
            changed.values.edit().resize(changed.values.size() * 2);
            EXPECT_FALSE(recognise(damaged).ok()) << name;
        }
}

TEST(arch, weights_that_are_not_finite_are_refused) {
    StateDict weights = test::rrdb_weights(1, RrdbKeys::real);
    weights.tensors.at("body.0.rdb2.conv3.weight").values.edit()[5] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(refusal(weights, Errc::format), "tensor 'body.0.rdb2.conv3.weight' holds NaN or infinity");
}

TEST(arch, one_shared_prelu_slope_is_the_same_as_equal_slopes) {
    StateDict shared = test::compact_weights(1), equal = shared;
    shared.tensors.at("body.1.weight") = {{1}, {0.3F}};
    equal.tensors.at("body.1.weight") = {{16}, std::vector<float>(16, 0.3F)};
    const auto picture = test::random_picture(1, 3, {9, 7});
    EXPECT_TRUE(test::same_bits(test::run_whole(reference_backend(), must(recognise(shared)).graph, picture),
                                test::run_whole(reference_backend(), must(recognise(equal)).graph, picture)));
}

TEST(arch, other_families_are_refused_by_name) {
    const struct {
        const char* family;
        std::vector<std::string> keys;
    } cases[] = {
        {"Swin2SR", {"layers.0.residual_group.blocks.0.attn.logit_scale", "layers.0.residual_group.blocks.0.norm1.weight"}},
        {"SAFMN", {"to_feat.weight", "feats.0.norm1.weight"}},
        {"RIFE", {"block0.conv0.0.0.weight", "block0.conv0.0.0.bias"}},
        {"SCUNet", {"m_head.0.weight", "m_tail.0.weight"}},
        {"SOFVSR, a network of several frames", {"OFR.RNN1.0.weight", "SR.body.0.weight"}},
        {"CAIN, which makes frames between frames", {"encoder.interpolate.headConv.weight"}},
        {"GFPGAN", {"toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"}},
        {"DnCNN", {"model.0.weight", "model.0.bias", "model.2.weight", "model.2.bias", "model.3.running_mean"}},
        {"KBNet", {"intro.weight", "ending.weight", "encoders.0.0.attgamma", "encoders.0.0.w"}},
        {"NAFNet", {"intro.weight", "ending.weight", "encoders.0.0.beta"}},
        {"FFTformer", {"patch_embed.proj.weight", "encoder_level1.0.ffn.fft", "encoder_level1.0.norm2.body.weight"}},
        {"Restormer", {"patch_embed.proj.weight", "encoder_level1.0.attn.temperature"}},
        {"FBCNN", {"m_head.weight", "m_tail.weight", "qf_pred.0.res.0.weight"}},
        {"DRUNet or a related denoiser", {"m_head.weight", "m_tail.weight", "m_down1.0.res.0.weight"}},
    };
    for (const auto& [family, keys] : cases) {
        StateDict weights;
        for (const std::string& key : keys) weights.tensors[key] = {{1}, {0}};
        EXPECT_NE(refusal(weights, Errc::unsupported).find(std::string("seems to be ") + family + ";"), std::string::npos) << family;
    }
    StateDict layers;  // DnCNN without norms: a list of layers, as many have
    for (const char* name : {"model.0", "model.2", "model.4", "model.6"}) {
        layers.tensors[std::string(name) + ".weight"] = {{1}, {0}};
        layers.tensors[std::string(name) + ".bias"] = {{1}, {0}};
    }
    EXPECT_NE(refusal(layers, Errc::unsupported).find("no network that is known"), std::string::npos);
    StateDict unknown;
    unknown.tensors["some.thing"] = {{4, 5}, std::vector<float>(20)};
    EXPECT_NE(refusal(unknown, Errc::unsupported).find("the first is 'some.thing' (4x5)"), std::string::npos);
    EXPECT_NE(refusal(StateDict(), Errc::format).find("no tensors"), std::string::npos);
}

TEST(arch, networks_that_cannot_run_are_refused_with_the_reason) {
    EXPECT_NE(refusal(test::compact_weights(1, {8, 1, 2, 5}), Errc::unsupported).find("5 channels; only grey (1), RGB (3) and RGBA (4)"), std::string::npos);
    StateDict relu = test::compact_weights(1);
    for (const char* key : {"body.1.weight", "body.3.weight", "body.5.weight"}) relu.tensors.erase(key);
    EXPECT_NE(refusal(relu, Errc::unsupported).find("without PReLU"), std::string::npos);
    EXPECT_NE(refusal(test::rrdb_weights(1, RrdbKeys::real, {8, 4, 1, 1, 4, 3}), Errc::unsupported).find("smaller"), std::string::npos);
}

TEST(arch, numbers_from_a_file_are_bounded_before_they_are_shifted_or_multiplied) {
    StateDict many = test::rrdb_weights(1, RrdbKeys::real, {8, 4, 1, 2, 1, 3});
    for (int up = 3; up <= 40; ++up) many.tensors["conv_up" + std::to_string(up) + ".weight"] = many.tensors.at("conv_up1.weight");
    EXPECT_NE(refusal(many, Errc::unsupported).find("doubles 7 times; at most 6 are supported"), std::string::npos);

    // A branch that is far wider than its layer, as only a file of repeated numbers has it.
    StateDict wide = test::span_weights(1, SpanForm::full);
    const auto set = [&](const std::string& name, std::vector<std::int64_t> shape) {
        std::size_t count = 1;
        for (const std::int64_t side : shape) count *= static_cast<std::size_t>(side);
        wide.tensors[name] = {std::move(shape), std::vector<float>(count, 0.0F)};
    };
    set("conv_1.conv.0.weight", {4096, 3, 1, 1});
    set("conv_1.conv.0.bias", {4096});
    EXPECT_NE(refusal(wide, Errc::unsupported).find("'conv_1' widens 3 channels to 4096"), std::string::npos);
}

TEST(arch, merging_large_layers_is_bounded_in_memory_and_time) {
    // 1000 features of zeros: 9 * 1000 * 4000 numbers to merge one layer of them.
    StateDict large;
    const auto set = [&](const std::string& name, std::vector<std::int64_t> shape) {
        std::size_t count = 1;
        for (const std::int64_t side : shape) count *= static_cast<std::size_t>(side);
        large.tensors[name] = {std::move(shape), std::vector<float>(count, 0.0F)};
    };
    const auto conv3xc = [&](const std::string& name, std::int64_t in, std::int64_t out) {
        set(name + ".sk.weight", {out, in, 1, 1}), set(name + ".sk.bias", {out});
        set(name + ".conv.0.weight", {1, in, 1, 1}), set(name + ".conv.0.bias", {1});
        set(name + ".conv.1.weight", {3 * out, 1, 3, 3}), set(name + ".conv.1.bias", {3 * out});
        set(name + ".conv.2.weight", {out, 3 * out, 1, 1}), set(name + ".conv.2.bias", {out});
    };
    constexpr std::int64_t kFeatures = 1000;
    conv3xc("conv_1", 3, kFeatures);
    conv3xc("block_1.c1_r", kFeatures, kFeatures);
    set("no_norm", {1}), set("conv_cat.weight", {kFeatures, 4 * kFeatures, 1, 1}), set("conv_cat.bias", {kFeatures});
    set("upsampler.0.weight", {12, kFeatures, 3, 3}), set("upsampler.0.bias", {12});
    EXPECT_NE(refusal(large, Errc::limit).find("numbers to merge"), std::string::npos);
}

TEST(arch, blending_mixes_every_number) {
    const StateDict a = test::compact_weights(1), b = test::compact_weights(2);
    const StateDict mixed = must(blend(a, b, 0.25F));
    for (const auto& [name, tensor] : mixed.tensors)
        for (std::size_t i = 0; i < tensor.values.size(); ++i)
            ASSERT_FLOAT_EQ(tensor.values[i], 0.75F * a.tensors.at(name).values[i] + 0.25F * b.tensors.at(name).values[i]);
    EXPECT_EQ(must(blend(a, b, 0)).tensors.at("body.0.weight").values, a.tensors.at("body.0.weight").values);
    EXPECT_EQ(must(blend(a, b, 1)).tensors.at("body.0.weight").values, b.tensors.at("body.0.weight").values);
}

TEST(arch, blending_refuses_what_does_not_match) {
    const StateDict a = test::compact_weights(1);
    const auto message = [&](const StateDict& b, float share) {
        const auto mixed = blend(a, b, share);
        EXPECT_FALSE(mixed.ok());
        return mixed.ok() ? std::string() : mixed.error().message;
    };
    EXPECT_EQ(message(test::compact_weights(1, {16, 3, 2, 3}), 0.5F), "only the second model has tensor 'body.7.weight'");
    EXPECT_EQ(message(test::compact_weights(1, {16, 1, 2, 3}), 0.5F), "tensor 'body.4.bias' is 16 in the first model and 12 in the second");
    message(a, 1.5F);
    message(a, NAN);
}

}  // namespace
}  // namespace enlarge
