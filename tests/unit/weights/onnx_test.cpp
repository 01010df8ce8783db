// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "unit/weights/builders.hpp"
#include "weights/elements.hpp"

namespace enlarge {
namespace {

using namespace test;

using Shape = std::vector<std::int64_t>;

std::string initialiser(const std::string& proto) { return field(5, proto); }
std::string packed(std::uint32_t number, const std::vector<std::uint64_t>& values) {
    std::string data;
    for (const std::uint64_t v : values) data += varint(v);
    return field(number, data);
}
std::string f32(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    return tensor_proto(name, shape, 1, field(9, raw(values)));
}
std::string output(int i) { return std::string("y").append(std::to_string(i)); }
const std::string kConv = node("Conv", {"x", "w", "b"}, {"y"});

TEST(onnx, resolves_constants_casts_and_identities) {
    const auto model = read(file_text(source_folder() + "/fuzz/seeds/onnx/small.onnx"));
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_EQ(model->format, WeightFormat::onnx);
    EXPECT_EQ(model->tensors.at("half").values, numbers(108));
    ASSERT_EQ(model->layers.size(), 3U);  // Constant and Cast are gone
    const Layer& conv = model->layers[0];
    EXPECT_EQ(conv.type, "Conv");
    EXPECT_EQ(conv.inputs, std::vector<std::string>{"x"});
    EXPECT_EQ(conv.outputs, std::vector<std::string>{"y"});
    EXPECT_EQ(conv.tensors.at(0).shape, (Shape{4, 3, 3, 3}));
    EXPECT_EQ(conv.tensors.at(0).values, numbers(108));
    EXPECT_EQ(conv.tensors.at(1).values, numbers(4, 1));
    EXPECT_EQ(conv.slots, (std::vector<int>{1, 2}));
    EXPECT_EQ(conv.lists.at("kernel_shape"), (std::vector<double>{3, 3}));
    EXPECT_EQ(model->layers[1].type, "PRelu");
    EXPECT_EQ(model->layers[1].tensors.at(0).values, numbers(4, 2));
    EXPECT_EQ(model->layers[2].numbers.at("blocksize"), 2);
    EXPECT_EQ(model->layers[2].texts.at("mode"), "CRD");
}

std::string kept_in(const std::string& file, const std::string& offset = "", const std::string& length = "") {
    std::string entries = field(13, field(1, "location") + field(2, file));
    if (!offset.empty()) entries += field(13, field(1, "offset") + field(2, offset));
    if (!length.empty()) entries += field(13, field(1, "length") + field(2, length));
    return entries + field(14, 1);
}
std::string external(const std::string& data) {
    return onnx(initialiser(tensor_proto("w", {2, 3}, 1, data)) + node("Mul", {"x", "w"}, {"y"}));
}

TEST(onnx, reads_tensors_that_are_kept_in_a_file_beside_the_model) {
    const ScratchFolder folder;
    folder.write("m.onnx.data", "12345678" + raw(numbers(6)));
    for (const auto& data : {kept_in("m.onnx.data", "8", "24"), kept_in("./m.onnx.data", "8")}) {
        const auto model = read_weights(folder.write("m.onnx", external(data)));
        ASSERT_TRUE(model.ok()) << model.error().message;
        EXPECT_EQ(model->tensors.at("w").values, numbers(6));
    }
    folder.write("renamed.onnx.data", raw(numbers(6)));
    const auto renamed = read_weights(folder.write("renamed.onnx", external(kept_in("as_it_was.data"))));
    ASSERT_TRUE(renamed.ok()) << renamed.error().message;
    EXPECT_EQ(renamed->tensors.at("w").values, numbers(6));
    // Many elements for each byte of the model, but not of both files.
    folder.write("large.data", std::string(4 << 16, '\0'));
    EXPECT_TRUE(read_weights(folder.write("m.onnx", onnx(initialiser(tensor_proto("w", {1 << 16}, 1, kept_in("large.data")))))).ok());
}

TEST(onnx, data_files_are_looked_for_in_the_models_folder_alone) {
    const ScratchFolder folder;
    const std::string elsewhere = folder.write("secret", raw(numbers(6)));
    std::filesystem::create_directory(folder.path("models"));
    std::filesystem::create_directory(folder.path("models/sub"));
    folder.write("models/sub/in", raw(numbers(6)));
    const auto expect_refused = [&](const std::string& data, Errc code, const std::string& says) {
        expect_error(read_weights(folder.write("models/m.onnx", external(data))), code, says);
    };
    const std::vector<std::string> tricks = {"../secret", elsewhere, "sub/in", "..", "./", "a\\b", std::string("a\0b", 3)};
    for (const std::string& name : tricks)
        expect_refused(kept_in(name), Errc::unsupported, "is not in the model's own folder");
    expect_refused(kept_in("none.data"), Errc::not_found, "its data file none.data: no such file");
    std::filesystem::create_symlink(elsewhere, folder.path("models/link"));
    expect_refused(kept_in("link"), Errc::unsupported, "its data file link is a link");
    std::filesystem::create_directory(folder.path("models/folder"));
    expect_refused(kept_in("folder"), Errc::unsupported, "a directory");
    folder.write("models/d", raw(numbers(6)));
    expect_refused(kept_in("d", "4"), Errc::format, "tensor \"w\": lies outside of d: 24 bytes from byte 4 of 24");
    expect_refused(kept_in("d", "18446744073709551615"), Errc::format, "lies outside of d");
    expect_refused(kept_in("d", "0", "20"), Errc::format, "holds 20 bytes; its shape needs 24");
    expect_refused(kept_in("d", "-1"), Errc::format, "the offset of external data is \"-1\"; a number expected");
    Limits limits;
    limits.file_bytes = 150;
    folder.write("models/d", std::string(200, 'x'));
    expect_error(read_weights(folder.write("models/m.onnx", external(kept_in("d"))), limits), Errc::limit, "its data file d: 200 bytes; at most");
}

TEST(onnx, activations_skip_casts_and_identities_too) {
    const auto model = read(onnx(node("Cast", {"x"}, {"x16"}, attribute("to", field(3, 10))) + node("Identity", {"x16"}, {"x2"}) +
                                 node("Relu", {"x2"}, {"y"})));
    ASSERT_TRUE(model.ok()) << model.error().message;
    ASSERT_EQ(model->layers.size(), 1U);
    EXPECT_EQ(model->layers[0].inputs, std::vector<std::string>{"x"});
}

TEST(onnx, a_cast_constant_is_rounded_as_the_network_would) {
    const auto model = read(onnx(initialiser(f32("w", {2}, {0.1F, 70000.0F})) +
                                 node("Cast", {"w"}, {"h"}, attribute("to", field(3, 10))) + node("Mul", {"x", "h"}, {"y"})));
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_EQ(model->layers[0].tensors.at(0).values, (std::vector<float>{0.0999755859375F, INFINITY}));
}

TEST(onnx, optional_inputs_keep_their_place) {
    const auto model = read(onnx(initialiser(f32("s", {4}, {1, 1, 2, 2})) + node("Resize", {"x", "", "s"}, {"y"}, attribute("mode", field(4, "nearest")))));
    ASSERT_TRUE(model.ok()) << model.error().message;
    EXPECT_EQ(model->layers[0].inputs, std::vector<std::string>{"x"});
    EXPECT_EQ(model->layers[0].slots, std::vector<int>{2});
    EXPECT_EQ(model->layers[0].tensors.at(0).values, (std::vector<float>{1, 1, 2, 2}));
}

TEST(onnx, reads_every_way_to_store_numbers) {
    const auto bits = [](float v) { return static_cast<std::uint64_t>(float_to_half(v)); };
    const std::string graph =
        initialiser(tensor_proto("floats", {2}, 1, field(4, raw({1.5F, -2})))) +
        initialiser(tensor_proto("loose_floats", {2}, 1, varint(4 << 3 | 5) + le(1.5F) + varint(4 << 3 | 5) + le(-2.0F))) +
        initialiser(tensor_proto("half_list", {2}, 10, packed(5, {bits(1.5F), bits(-2)}))) +
        initialiser(tensor_proto("half_raw", {2}, 10, field(9, le(float_to_half(1.5F)) + le(float_to_half(-2))))) +
        initialiser(tensor_proto("bf16_raw", {2}, 16, field(9, le(float_to_bfloat16(1.5F)) + le(float_to_bfloat16(-2))))) +
        initialiser(tensor_proto("doubles", {2}, 11, field(10, le(1.5) + le(-2.0)))) +
        initialiser(tensor_proto("longs", {2}, 7, packed(7, {3, static_cast<std::uint64_t>(-2)}))) +
        initialiser(tensor_proto("ints", {2}, 6, packed(5, {3, static_cast<std::uint64_t>(-2)})));
    const auto model = read(onnx(graph));
    ASSERT_TRUE(model.ok()) << model.error().message;
    for (const char* name : {"floats", "loose_floats", "half_list", "half_raw", "bf16_raw", "doubles"})
        EXPECT_EQ(model->tensors.at(name).values, (std::vector<float>{1.5F, -2})) << name;
    for (const char* name : {"longs", "ints"}) EXPECT_EQ(model->tensors.at(name).values, (std::vector<float>{3, -2})) << name;
}

TEST(onnx, reads_all_forms_of_constant) {
    const auto model = read(onnx(node("Constant", {}, {"a"}, attribute("value", field(5, f32("", {2}, {1, 2})))) +
                                 node("Constant", {}, {"b"}, attribute("value_float", varint(2 << 3 | 5) + le(0.5F))) +
                                 node("Constant", {}, {"c"}, attribute("value_ints", packed(8, {3, 4}))) +
                                 node("F", {"a", "b", "c", "x"}, {"y"})));
    ASSERT_TRUE(model.ok()) << model.error().message;
    ASSERT_EQ(model->layers.size(), 1U);
    EXPECT_EQ(model->layers[0].tensors.at(0).values, (std::vector<float>{1, 2}));
    EXPECT_EQ(model->layers[0].tensors.at(1).values, std::vector<float>{0.5F});
    EXPECT_EQ(model->layers[0].tensors.at(1).shape, Shape{});
    EXPECT_EQ(model->layers[0].tensors.at(2).values, (std::vector<float>{3, 4}));
}

TEST(onnx, every_truncation_is_refused) {
    const std::string whole = file_text(source_folder() + "/fuzz/seeds/onnx/small.onnx");
    for (std::size_t size = 0; size + 4 < whole.size(); ++size) EXPECT_FALSE(read(whole.substr(0, size)).ok()) << size;
}

std::string one(const std::string& proto) { return onnx(initialiser(proto)); }

MUTATIONS(onnx, {
    {"no_graph", [] { return field(1, 8) + field(2, "test"); }, Errc::format, "no graph in it"},
    {"two_graphs", [] { return onnx(kConv) + field(7, kConv); }, Errc::format, "two graphs"},
    {"empty_graph", [] { return onnx(""); }, Errc::format, "an empty ONNX graph"},
    {"length_beyond_the_file", [] { return field(1, 8) + field(2, "t") + varint(7 << 3 | 2) + varint(1000) + "x"; }, Errc::format, "truncated after 9 bytes; 1008 expected"},
    {"length_absurd", [] { return field(1, 8) + field(2, "t") + varint(7 << 3 | 2) + varint(UINT64_MAX) + "x"; }, Errc::format, "truncated after"},
    {"varint_too_long", [] { return field(1, 8) + field(2, "t") + std::string(12, '\xff'); }, Errc::format, "a number of more than 10 bytes"},
    {"field_number_zero", [] { return field(1, 8) + field(2, "t") + std::string("\x00\x01", 2); }, Errc::format, "field number 0"},
    {"group_wire_type", [] { return field(1, 8) + field(2, "t") + "\x3b"; }, Errc::format, "wire type 3"},
    {"raw_data_too_short", [] { return one(tensor_proto("w", {2, 3}, 1, field(9, raw(numbers(5))))); }, Errc::format, "\"w\" holds 20 bytes; its shape needs 24"},
    {"raw_data_too_long", [] { return one(tensor_proto("w", {2, 3}, 1, field(9, raw(numbers(7))))); }, Errc::format, "holds 28 bytes"},
    {"list_too_short", [] { return one(tensor_proto("w", {2, 3}, 1, field(4, raw(numbers(5))))); }, Errc::format, "holds 5 elements; its shape needs 6"},
    {"list_too_long", [] { return one(tensor_proto("w", {2, 3}, 1, field(4, raw(numbers(7))))); }, Errc::format, "more than the 6 elements"},
    {"no_data", [] { return one(tensor_proto("w", {2, 3}, 1, "")); }, Errc::format, "holds 0 elements"},
    {"packed_floats_cut", [] { return one(tensor_proto("w", {2}, 1, field(4, "123456"))); }, Errc::format, "truncated after 6 bytes"},
    {"shape_negative", [] { return one(f32("w", {-2, 3}, numbers(6))); }, Errc::format, "negative side"},
    {"shape_overflows", [] { return one(f32("w", {1LL << 40, 1LL << 40}, numbers(6))); }, Errc::limit, "overflows"},
    {"bytes_overflow", [] { return one(f32("w", {1LL << 62}, numbers(6))); }, Errc::limit, "overflows"},
    {"huge_without_data", [] { return one(tensor_proto("w", {1LL << 28}, 1, "")); }, Errc::limit, "more than a file of this size may hold"},
    {"many_dimensions", [] { return one(f32("w", Shape(70, 1), numbers(1))); }, Errc::format, "more than 64 dimensions"},
    {"external_data", [] { return one(tensor_proto("w", {2, 3}, 1, field(13, field(1, "location") + field(2, "weights.data")) + field(14, 1))); }, Errc::unsupported, "tensor \"w\" is kept in another file, weights.data"},
    {"external_data_without_a_name", [] { return one(tensor_proto("w", {2, 3}, 1, field(14, 1))); }, Errc::unsupported, "kept in another file; save"},
    {"strings", [] { return one(tensor_proto("w", {1}, 8, field(6, "text"))); }, Errc::unsupported, "data type 8"},
    {"unknown_type", [] { return one(tensor_proto("w", {1}, 23, field(9, "1"))); }, Errc::unsupported, "data type 23"},
    {"duplicate_initialiser", [] { return onnx(initialiser(f32("w", {1}, {1})) + initialiser(f32("w", {1}, {2}))); }, Errc::format, "two tensors are named \"w\""},
    {"output_written_twice", [] { return onnx(node("Relu", {"x"}, {"y"}) + node("Relu", {"x"}, {"y"})); }, Errc::format, "node 'n_Relu' (Relu): \"y\" is written a second time"},
    {"output_over_an_initialiser", [] { return onnx(initialiser(f32("w", {1}, {1})) + node("Relu", {"x"}, {"w"})); }, Errc::format, "\"w\" is written a second time"},
    {"sparse_initialiser", [] { return onnx(field(15, "x")); }, Errc::unsupported, "sparse"},
    {"control_flow", [] { return onnx(node("If", {"c"}, {"y"}, attribute("then_branch", field(6, kConv)))); }, Errc::unsupported, "node 'n_If' (If): the attribute then_branch is a graph of its own"},
    {"constant_of_text", [] { return onnx(node("Constant", {}, {"y"}, attribute("value_string", field(4, "t")))); }, Errc::unsupported, "not of numbers"},
    {"constant_without_output", [] { return onnx(node("Constant", {}, {}, attribute("value_int", field(3, 4)))); }, Errc::format, "0 outputs; 1 expected"},
    {"identity_without_input", [] { return onnx(node("Identity", {}, {"y"})); }, Errc::format, "one each expected"},
    {"constant_cast_to_text", [] { return onnx(initialiser(f32("w", {1}, {1})) + node("Cast", {"w"}, {"t"}, attribute("to", field(3, 8)))); }, Errc::unsupported, "cast to the ONNX data type 8"},
    {"one_constant_used_by_a_thousand_nodes", [] {
        std::string graph = initialiser(f32("w", {100000}, numbers(100000)));
        for (int i = 0; i < 1000; ++i) graph += node("Mul", {"x", "w"}, {output(i)});
        return onnx(graph); }, Errc::limit, "more than a file of this size may hold"},
});

TEST(onnx, tensors_and_nodes_are_counted) {
    Limits limits;
    limits.tensors = 2;
    std::string graph;
    for (int i = 0; i < 3; ++i) graph += node("Relu", {"x"}, {output(i)});
    expect_error(read(onnx(graph), limits), Errc::limit, "more than 2 nodes");
    expect_error(read(onnx(node("Relu", {"x"}, {"y"}, attribute("list", field(8, std::string(200, '\1'))))), limits), Errc::limit, "items of lists");
    expect_error(read(onnx(node("Concat", std::vector<std::string>(200, "x"), {"y"})), limits), Errc::limit, "too many inputs");
}

}  // namespace
}  // namespace enlarge
