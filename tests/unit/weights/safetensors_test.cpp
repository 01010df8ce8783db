// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "unit/weights/builders.hpp"

namespace enlarge {
namespace {

using namespace test;

using Shape = std::vector<std::int64_t>;

std::string one(const std::string& entry, const std::string& data = raw(numbers(6))) { return safetensors("{\"a\":" + entry + "}", data); }
const std::string kGood = R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,24]})";

TEST(safetensors, reads_every_element_type_and_the_metadata) {
    const auto weights = read(file_text(source_folder() + "/fuzz/seeds/safetensors/types.safetensors"));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->format, WeightFormat::safetensors);
    for (const char* name : {"f32", "f16", "bf16", "f64"}) EXPECT_EQ(weights->tensors.at(name).values, numbers(6)) << name;
    EXPECT_EQ(weights->tensors.at("f64").shape, (Shape{3, 2}));
    EXPECT_EQ(weights->tensors.at("i8").values, (std::vector<float>{1, 2, -1, 127}));
    EXPECT_EQ(weights->tensors.at("scalar").values, std::vector<float>{-5});
    EXPECT_EQ(weights->tensors.at("empty").shape, (Shape{0, 4}));
    EXPECT_EQ(weights->metadata.at("format"), "pt");
}

TEST(safetensors, tensors_may_come_in_any_order_and_the_header_may_be_padded) {
    const auto weights = read(safetensors(R"({"b":{"shape":[2],"data_offsets":[16,24],"dtype":"F32"},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}   )", raw(numbers(6))));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->tensors.at("a").values, numbers(4));
    EXPECT_EQ(weights->tensors.at("b").values, numbers(2, 4));
}

TEST(safetensors, is_recognised_whatever_the_length_of_the_header_looks_like) {
    for (std::size_t padding = 0; padding < 2000; ++padding) {  // 0x0280 starts like a pickle, 0x__08 like ONNX
        const auto weights = read(safetensors("{\"a\":" + kGood + "}" + std::string(padding, ' '), raw(numbers(6))));
        ASSERT_TRUE(weights.ok()) << padding << ": " << weights.error().message;
    }
}

TEST(safetensors, loses_a_prefix_that_all_names_share) {
    const auto weights = read(safetensors("{\"module.a\":" + kGood + "}", raw(numbers(6))));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->tensors.count("a"), 1U);
}

TEST(safetensors, as_many_tensors_as_allowed_and_no_more) {
    Limits limits;
    limits.tensors = 2;
    EXPECT_TRUE(read(safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", raw(numbers(4))), limits));
    EXPECT_FALSE(read(safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"c":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}})", raw(numbers(6))), limits));
}

TEST(safetensors, every_truncation_is_refused) {
    const std::string whole = one(kGood);
    ASSERT_TRUE(read(whole).ok());
    for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read(whole.substr(0, size)).ok()) << size;
}

MUTATIONS(safetensors, {
    {"header_longer_than_the_file", [] { return le<std::uint64_t>(5000) + "{\"a\":" + kGood + "}"; }, Errc::format, "truncated after 65 bytes; 5008 expected"},
    {"header_length_absurd", [] { return le<std::uint64_t>(UINT64_MAX) + "{}"; }, Errc::limit, "a header of 18446744073709551615 bytes; at most 67108864"},
    {"data_cut_off", [] { return one(kGood, raw(numbers(5))); }, Errc::format, "\"a\": truncated after 20 bytes of data; 24 expected"},
    {"data_left_over", [] { return one(kGood, raw(numbers(7))); }, Errc::format, "4 bytes of data belong to no tensor"},
    {"no_tensors", [] { return safetensors("{}", ""); }, Errc::format, "no tensors"},
    {"metadata_only", [] { return safetensors(R"({"__metadata__":{"a":"b"}})", ""); }, Errc::format, "no tensors"},
    {"broken_json", [] { return safetensors("{\"a\":" + kGood, raw(numbers(6))); }, Errc::format, "broken JSON at byte"},
    {"json_after_the_header", [] { return safetensors("{\"a\":" + kGood + "}{}", raw(numbers(6))); }, Errc::format, "broken JSON"},
    {"deep_nesting", [] { std::string deep; for (int i = 0; i < 100000; ++i) deep += "{\"dtype\":"; return safetensors(deep, ""); }, Errc::format, "an object where none belongs"},
    {"deep_arrays", [] { return safetensors("{\"a\":" + std::string(100000, '['), ""); }, Errc::format, "an array where none belongs"},
    {"duplicate_tensor", [] { return safetensors("{\"a\":" + kGood + ",\"a\":" + kGood + "}", raw(numbers(6))); }, Errc::format, "two tensors are named \"a\""},
    {"duplicate_field", [] { return one(R"({"dtype":"F32","dtype":"F32","shape":[2,3],"data_offsets":[0,24]})"); }, Errc::format, "has dtype twice"},
    {"unknown_field", [] { return one(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,24],"x":1})"); }, Errc::format, "unknown field \"x\""},
    {"no_dtype", [] { return one(R"({"shape":[2,3],"data_offsets":[0,24]})"); }, Errc::format, "\"a\" lacks dtype, shape or two data_offsets"},
    {"one_offset", [] { return one(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0]})"); }, Errc::format, "lacks"},
    {"three_offsets", [] { return one(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,24,24]})"); }, Errc::format, "more than two data_offsets"},
    {"unknown_dtype", [] { return one(R"({"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[0,6]})", "123456"); }, Errc::unsupported, "\"F8_E4M3\""},
    {"dtype_a_number", [] { return one(R"({"dtype":32,"shape":[2,3],"data_offsets":[0,24]})"); }, Errc::format, "a number where none belongs"},
    {"shape_too_large", [] { return one(R"({"dtype":"F32","shape":[2,4],"data_offsets":[0,24]})"); }, Errc::format, "holds 24 bytes; its shape needs 32"},
    {"shape_too_small", [] { return one(R"({"dtype":"F32","shape":[5],"data_offsets":[0,24]})"); }, Errc::format, "its shape needs 20"},
    {"shape_negative", [] { return one(R"({"dtype":"F32","shape":[-2,3],"data_offsets":[0,24]})"); }, Errc::format, "a negative number where none belongs"},
    {"shape_a_fraction", [] { return one(R"({"dtype":"F32","shape":[2.5,3],"data_offsets":[0,24]})"); }, Errc::format, "a fraction where none belongs"},
    {"shape_null", [] { return one(R"({"dtype":"F32","shape":null,"data_offsets":[0,24]})"); }, Errc::format, "null where none belongs"},
    {"shape_overflows", [] { return one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,24]})"); }, Errc::limit, "overflows"},
    {"bytes_overflow", [] { return one(R"({"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,24]})"); }, Errc::limit, "overflows"},
    {"side_overflows", [] { return one(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,24]})"); }, Errc::limit, "overflows"},
    {"side_beyond_64_bits", [] { return one(R"({"dtype":"F32","shape":[99999999999999999999999],"data_offsets":[0,24]})"); }, Errc::format, "a fraction where none belongs"},
    {"offsets_backwards", [] { return one(R"({"dtype":"F32","shape":[2,3],"data_offsets":[24,0]})"); }, Errc::format, "ends at 0 before it starts at 24"},
    {"offsets_outside", [] { return one(R"({"dtype":"F32","shape":[2,3],"data_offsets":[24,48]})"); }, Errc::format, "truncated after 24 bytes of data; 48 expected"},
    {"tensors_overlap", [] { return safetensors(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}})", raw(numbers(6))); }, Errc::format, "\"b\" starts at byte 12 of the data; 16 expected"},
    {"a_gap", [] { return safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}})", raw(numbers(6))); }, Errc::format, "\"b\" starts at byte 16 of the data; 8 expected"},
    {"metadata_not_text", [] { return safetensors("{\"__metadata__\":{\"a\":1},\"a\":" + kGood + "}", raw(numbers(6))); }, Errc::format, "a number where none belongs"},
    {"an_entry_that_is_text", [] { return one("\"F32\""); }, Errc::format, "a string where none belongs"},
    {"not_utf8", [] { return safetensors("{\"\xff\":" + kGood + "}", raw(numbers(6))); }, Errc::format, "broken JSON"},
});

TEST(safetensors, more_tensors_than_allowed_are_refused_before_they_are_stored) {
    Limits limits;
    limits.tensors = 1;
    expect_error(read(safetensors(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", ""), limits),
                 Errc::limit, "more than 1 tensors");
}

}  // namespace
}  // namespace enlarge
