// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/weights/builders.hpp"

namespace enlarge {
namespace {

using namespace test;

using Shape = std::vector<std::int64_t>;

const std::string kParam =
    "7767517\n3 4\n"
    "Input        data  0 1 data\n"
    "Convolution  conv  1 1 data c 0=4 1=3 4=1 5=1 6=108 9=2 -23310=1,0.2\n"
    "PReLU        act   1 1 c output 0=4\n";
const std::string kFloats = raw(numbers(108)), kBias = raw(numbers(4, 1)), kSlope = raw(numbers(4, 2));
std::string fp32_bin() { return le<std::uint32_t>(0) + kFloats + kBias + kSlope; }

Result<StateDict> ncnn(const std::string& param, const std::string& bin, const Limits& limits = {}) {
    return read_ncnn(param, as_bytes(bin), limits);
}
std::string with(std::string text, const std::string& from, const std::string& to) { return text.replace(text.find(from), from.size(), to); }

// fuzz/seeds/ncnn: the text, a zero byte, the weights; made by tools/make_weight_fixtures.py.
TEST(ncnn, reads_fp32_raw_fp32_fp16_and_codebook_weights_alike) {
    for (const char* name : {"fp32", "raw_fp32", "fp16", "codebook"}) {
        const std::string seed = file_text(source_folder() + "/fuzz/seeds/ncnn/" + name);
        const std::size_t split = seed.find('\0');
        const auto weights = ncnn(seed.substr(0, split), seed.substr(split + 1));
        ASSERT_TRUE(weights.ok()) << name << ": " << weights.error().message;
        ASSERT_EQ(weights->layers.size(), 4U) << name;
        const Layer& conv = weights->layers[1];
        ASSERT_EQ(conv.tensors.size(), 2U) << name;
        EXPECT_EQ(conv.tensors[0].shape, (Shape{4, 3, 3, 3})) << name;
        EXPECT_EQ(conv.tensors[0].values, numbers(108)) << name;
        EXPECT_EQ(conv.tensors[1].values, numbers(4, 1)) << name;
        EXPECT_EQ(weights->layers[2].tensors.at(0).values, numbers(4, 2)) << name;
    }
}

TEST(ncnn, keeps_types_names_blobs_and_parameters) {
    const auto weights = ncnn(kParam, fp32_bin());
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->format, WeightFormat::ncnn);
    const Layer& conv = weights->layers[1];
    EXPECT_EQ(conv.type, "Convolution");
    EXPECT_EQ(conv.name, "conv");
    EXPECT_EQ(conv.inputs, std::vector<std::string>{"data"});
    EXPECT_EQ(conv.outputs, std::vector<std::string>{"c"});
    EXPECT_EQ(conv.numbers.at("9"), 2);
    EXPECT_EQ(conv.lists.at("10"), std::vector<double>{0.2});
}

TEST(ncnn, reads_the_other_layers_with_weights_in_order) {
    const auto weights = ncnn("7767517\n6 6\nInput d 0 1 d\nInnerProduct ip 1 1 d a 0=2 1=1 2=6\nScale s 1 1 a b 0=2 1=1\n"
                              "BatchNorm bn 1 1 b c 0=2\nMemoryData m 0 1 m 0=3 1=2\nDeconvolution dc 1 1 c e 0=2 1=2 11=1 6=8\n",
                              le<std::uint32_t>(0) + raw(numbers(6)) + raw(numbers(2, 6)) + raw(numbers(4, 8)) + raw(numbers(8, 12)) +
                                  raw(numbers(6, 20)) + le<std::uint32_t>(0) + raw(numbers(8, 26)));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->layers[1].tensors.at(0).shape, (Shape{2, 3}));
    EXPECT_EQ(weights->layers[2].tensors.at(1).values, numbers(2, 10));
    EXPECT_EQ(weights->layers[3].tensors.at(3).values, numbers(2, 18));
    EXPECT_EQ(weights->layers[4].tensors.at(0).shape, (Shape{2, 3}));
    EXPECT_EQ(weights->layers[5].tensors.at(0).shape, (Shape{2, 2, 1, 2}));
    EXPECT_EQ(weights->layers[5].tensors.at(0).values, numbers(8, 26));
}

TEST(ncnn, every_truncation_is_refused) {
    for (std::size_t size = 0; size < fp32_bin().size(); ++size) EXPECT_FALSE(ncnn(kParam, fp32_bin().substr(0, size)).ok()) << size;
    for (std::size_t size = 0; size + 1 < kParam.size(); ++size) EXPECT_FALSE(ncnn(kParam.substr(0, size), fp32_bin()).ok()) << size;
}

struct Pair {
    const char* name;
    std::string param, bin;
    Errc code;
    const char* says;
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }
class ncnn_mutation : public ::testing::TestWithParam<Pair> {};
TEST_P(ncnn_mutation, is_refused_and_named) {
    expect_error(ncnn(GetParam().param, GetParam().bin), GetParam().code, GetParam().says);
}
INSTANTIATE_TEST_SUITE_P(all, ncnn_mutation, ::testing::Values(
    Pair{"wrong_magic", with(kParam, "7767517", "7767518"), fp32_bin(), Errc::format, "7767517 expected first"},
    Pair{"no_counts", "7767517\n", "", Errc::format, "counts of layers and blobs are missing"},
    Pair{"counts_not_numbers", with(kParam, "3 4", "x y"), fp32_bin(), Errc::format, "counts of layers and blobs are missing"},
    Pair{"counts_huge", with(kParam, "3 4", "999999999 4"), fp32_bin(), Errc::limit, "999999999 layers or blobs; at most 65536"},
    Pair{"more_layers_announced", with(kParam, "3 4", "4 4"), fp32_bin(), Errc::format, "truncated .param: 3 layers; 4 expected"},
    Pair{"fewer_layers_announced", with(kParam, "3 4", "2 4"), fp32_bin(), Errc::format, "more than the 2 layers announced"},
    Pair{"fewer_blobs_announced", with(kParam, "3 4", "3 2"), fp32_bin(), Errc::format, "more blobs than the file announces"},
    Pair{"layer_without_counts", with(kParam, "0 1 data", ""), fp32_bin(), Errc::format, "a type, a name and two counts"},
    Pair{"blob_count_negative", with(kParam, "act   1 1", "act   -1 1"), fp32_bin(), Errc::format, "a type, a name and two counts"},
    Pair{"blob_count_beyond_the_line", with(kParam, "act   1 1", "act   7 1"), fp32_bin(), Errc::format, "names 3 blobs; 8 expected"},
    Pair{"blob_count_absurd", with(kParam, "act   1 1", "act   99999999 1"), fp32_bin(), Errc::format, "a type, a name and two counts"},
    Pair{"parameter_without_value", with(kParam, "0=4 1=3", "0 1=3"), fp32_bin(), Errc::format, "layer conv: \"0\" where key=value is expected"},
    Pair{"parameter_key_out_of_range", with(kParam, "0=4 1=3", "0=4 99=3"), fp32_bin(), Errc::format, "the key 99 is out of range"},
    Pair{"parameter_key_negative", with(kParam, "0=4 1=3", "0=4 -5=3"), fp32_bin(), Errc::format, "the key -5 is out of range"},
    Pair{"list_shorter_than_announced", with(kParam, "1,0.2", "3,0.2"), fp32_bin(), Errc::format, "announces another number of items"},
    Pair{"list_not_numbers", with(kParam, "1,0.2", "1,x"), fp32_bin(), Errc::format, "not a list of numbers"},
    Pair{"channels_negative", with(kParam, "0=4 1=3", "0=-4 1=3"), fp32_bin(), Errc::format, "layer conv: the parameter 0=-4"},
    Pair{"channels_a_fraction", with(kParam, "0=4 1=3", "0=4.5 1=3"), fp32_bin(), Errc::format, "out of range"},
    Pair{"channels_not_a_number", with(kParam, "0=4 1=3", "0=nan 1=3"), fp32_bin(), Errc::format, "out of range"},
    Pair{"weights_do_not_fit", with(kParam, "6=108", "6=107"), fp32_bin(), Errc::format, "107 weights do not fit"},
    Pair{"weights_huge", with(kParam, "6=108", "6=1000000000008"), fp32_bin(), Errc::format, "truncated after"},
    Pair{"kernel_zero", with(kParam, "1=3", "1=0"), fp32_bin(), Errc::format, "out of range"},
    Pair{"group_does_not_divide", with(kParam, "4=1", "7=3"), fp32_bin(), Errc::format, "do not fit the channels"},
    Pair{"bin_too_short", kParam, fp32_bin().substr(0, 460), Errc::format, "layer act: truncated after 460 bytes; 468 expected"},
    Pair{"bin_empty", kParam, "", Errc::format, "layer conv: truncated after 0 bytes; 4 expected"},
    Pair{"bin_too_long", kParam, fp32_bin() + "1234", Errc::format, "4 bytes of the .bin are left over"},
    Pair{"bin_of_another_model", kParam, le<std::uint32_t>(0) + raw(numbers(500)), Errc::format, "do .param and .bin belong together?"},
    Pair{"int8_tag", kParam, le<std::uint32_t>(0x000D4B38) + std::string(108, 'x') + kBias + kSlope, Errc::unsupported, "layer conv: int8 weights"},
    Pair{"int8_scale_term", with(kParam, "6=108", "6=108 8=1"), fp32_bin(), Errc::unsupported, "int8 weights"},
    Pair{"dynamic_weights", with(kParam, "6=108", "6=108 19=1"), fp32_bin(), Errc::unsupported, "weights that the network computes"},
    Pair{"layer_type_not_read", with(kParam, "PReLU", "LSTM "), fp32_bin(), Errc::unsupported, "layers of type LSTM are not read"},
    Pair{"weights_that_no_layer_takes", with(kParam, "PReLU", "Custom"), fp32_bin(), Errc::format, "16 bytes of the .bin are left over"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(ncnn, finds_the_partner_of_either_file) {
    const ScratchFolder folder;
    const std::string param = folder.write("net.param", kParam), bin = folder.write("net.bin", fp32_bin());
    for (const std::string& path : {param, bin}) {
        const auto weights = read_weights(path);
        ASSERT_TRUE(weights.ok()) << weights.error().message;
        EXPECT_EQ(weights->layers.size(), 3U);
    }
}

TEST(ncnn, a_missing_partner_is_named) {
    const ScratchFolder folder;
    expect_error(read_weights(folder.write("a.param", kParam)), Errc::not_found, "a.param: its partner a.bin: no such file");
    expect_error(read_weights(folder.write("b.bin", fp32_bin())), Errc::not_found, "an ncnn .bin needs its partner b.param beside it");
    expect_error(read(kParam), Errc::unsupported, "an ncnn .param without its .bin");
}

}  // namespace
}  // namespace enlarge
