// SPDX-License-Identifier: Apache-2.0
// Makes weight files in memory, valid ones and, with a word changed, broken ones.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/source_folder.hpp"
#include "weights/bytes.hpp"
#include "weights/state_dict.hpp"

namespace enlarge::test {

template <class T>
std::string le(T value) {
    std::string out(sizeof(T), '\0');
    std::memcpy(out.data(), &value, sizeof(T));
    return out;
}

// The numbers of tools/make_weight_fixtures.py.
inline float number(std::int64_t i) { return static_cast<float>(i * 7 % 23 - 11) / 8; }
inline std::vector<float> numbers(std::int64_t count, std::int64_t start = 0) {
    std::vector<float> out;
    for (std::int64_t i = 0; i < count; ++i) out.push_back(number(start + i));
    return out;
}
inline std::string raw(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

inline std::string file_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in) << path << " is missing";
    return {std::istreambuf_iterator<char>(in), {}};
}
inline std::string fixture_path(const std::string& name) { return source_folder() + "/tests/unit/weights/data/" + name; }
inline std::string fixture(const std::string& name) { return file_text(fixture_path(name)); }

// A folder for one test, removed at its end.
class ScratchFolder {
public:
    ScratchFolder() {
        char name[] = "/tmp/enlarge-test-XXXXXX";
        path_ = mkdtemp(name);
    }
    ~ScratchFolder() { [[maybe_unused]] const int result = std::system(("rm -rf '" + path_ + "'").c_str()); }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }

private:
    std::string path_;
};

// One damaged file: its reader must refuse it with this kind of error and these words.
struct Mutation {
    const char* name;
    std::function<std::string()> file;
    Errc code;
    const char* says;
};
inline void PrintTo(const Mutation& mutation, std::ostream* out) { *out << mutation.name; }

inline Result<StateDict> read(const std::string& file, const Limits& limits = {}) { return read_weights(as_bytes(file), limits); }

inline void expect_error(const Result<StateDict>& result, Errc code, const std::string& says) {
    ASSERT_FALSE(result.ok()) << "the file was accepted";
    EXPECT_EQ(static_cast<int>(result.error().code), static_cast<int>(code)) << result.error().message;
    EXPECT_NE(result.error().message.find(says), std::string::npos)
        << "the message is \"" << result.error().message << "\" and should say \"" << says << "\"";
    EXPECT_EQ(result.error().message.find('\n'), std::string::npos) << "one sentence, please";
}

// A test for each mutation: MUTATIONS(pth_zip, {...}).
#define MUTATIONS(suite, ...)                                                                                    \
    class suite##_mutation : public ::testing::TestWithParam<::enlarge::test::Mutation> {};                      \
    TEST_P(suite##_mutation, is_refused_and_named) {                                                             \
        ::enlarge::test::expect_error(::enlarge::test::read(GetParam().file()), GetParam().code, GetParam().says); \
    }                                                                                                            \
    INSTANTIATE_TEST_SUITE_P(all, suite##_mutation, ::testing::ValuesIn(std::vector<::enlarge::test::Mutation> __VA_ARGS__), \
                             [](const auto& info) { return std::string(info.param.name); })

// --- pickle -----------------------------------------------------------------------------------------------------

inline std::string p_text(std::string_view text) { return "X" + le(static_cast<std::uint32_t>(text.size())) + std::string(text); }
inline std::string p_int(std::int64_t value) {
    if (value >= INT32_MIN && value <= INT32_MAX) return "J" + le(static_cast<std::int32_t>(value));
    return std::string("\x8a\x08", 2) + le(value);
}
inline std::string p_tuple(const std::vector<std::int64_t>& values) {
    std::string out = "(";
    for (const std::int64_t v : values) out += p_int(v);
    return out + "t";
}
inline std::string p_global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string p_storage(const std::string& key, std::int64_t elements, const std::string& type = "FloatStorage",
                             const std::string& view = "") {
    return "(" + p_text("storage") + p_global("torch", type) + p_text(key) + p_text("cpu") + p_int(elements) + view + "tQ";
}
inline std::string p_tensor(const std::string& storage, std::int64_t offset, const std::vector<std::int64_t>& shape,
                            const std::vector<std::int64_t>& strides) {
    return p_global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + p_int(offset) + p_tuple(shape) + p_tuple(strides) +
           "\x89}tR";
}
inline std::string p_dict(const std::vector<std::pair<std::string, std::string>>& entries) {
    std::string out = "}(";
    for (const auto& [key, value] : entries) out += p_text(key) + value;
    return out + "u";
}
inline std::string p_file(const std::string& value) { return std::string("\x80\x02", 2) + value + "."; }

// {"a": a tensor of 2 x 3}, in storage 0.
inline std::string small_pickle() { return p_file(p_dict({{"a", p_tensor(p_storage("0", 6), 0, {2, 3}, {3, 1})}})); }

// --- zip --------------------------------------------------------------------------------------------------------

inline std::uint32_t crc32(std::string_view data) {
    std::uint32_t crc = 0xffffffffU;
    for (const char c : data) {
        crc ^= static_cast<unsigned char>(c);
        for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (crc & 1U ? 0xedb88320U : 0U);
    }
    return ~crc;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

// A zip of stored entries.
inline std::string make_zip(const Entries& entries) {
    std::string file, directory;
    for (const auto& [name, data] : entries) {
        const auto size = static_cast<std::uint32_t>(data.size());
        const std::string common = le<std::uint16_t>(0) + le<std::uint16_t>(0) + le<std::uint16_t>(0) + le<std::uint16_t>(33) +
                                   le(crc32(data)) + le(size) + le(size) + le(static_cast<std::uint16_t>(name.size())) +
                                   le<std::uint16_t>(0);
        directory += "PK\x01\x02" + le<std::uint16_t>(20) + le<std::uint16_t>(20) + common + le<std::uint16_t>(0) +
                     le<std::uint16_t>(0) + le<std::uint16_t>(0) + le<std::uint32_t>(0) +
                     le(static_cast<std::uint32_t>(file.size())) + name;
        file += "PK\x03\x04" + le<std::uint16_t>(20) + common + name + data;
    }
    const auto count = static_cast<std::uint16_t>(entries.size());
    return file + directory + "PK\x05\x06" + le<std::uint32_t>(0) + le(count) + le(count) +
           le(static_cast<std::uint32_t>(directory.size())) + le(static_cast<std::uint32_t>(file.size())) + le<std::uint16_t>(0);
}
// A torch zip with one storage of six floats.
inline std::string torch_zip(const std::string& pickle, const std::string& storage = raw(numbers(6)), const Entries& more = {}) {
    Entries entries = {{"net/data.pkl", pickle}, {"net/data/0", storage}, {"net/version", "3\n"}};
    entries.insert(entries.end(), more.begin(), more.end());
    return make_zip(entries);
}

// --- torch's older format ---------------------------------------------------------------------------------------

inline const std::string kLegacyMagic = p_file(std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12));
inline std::string legacy_system(bool little = true) { return p_file(p_dict({{"little_endian", little ? "\x88" : "\x89"}})); }

inline std::string torch_legacy(const std::string& object, const std::string& keys = p_file("](" + p_text("0") + "e"),
                                const std::string& storages = le<std::int64_t>(6) + raw(numbers(6)),
                                const std::string& system = legacy_system()) {
    return kLegacyMagic + p_file(p_int(1001)) + system + object + keys + storages;
}

// --- safetensors ------------------------------------------------------------------------------------------------

inline std::string safetensors(const std::string& header, const std::string& data) {
    return le(static_cast<std::uint64_t>(header.size())) + header + data;
}

// --- protocol buffers -------------------------------------------------------------------------------------------

inline std::string varint(std::uint64_t value) {
    std::string out;
    for (; value > 127; value >>= 7) out += static_cast<char>((value & 127) | 128);
    return out + static_cast<char>(value);
}
inline std::string field(std::uint32_t number, std::uint64_t value) { return varint(number << 3) + varint(value); }
inline std::string field(std::uint32_t number, const std::string& data) {
    return varint(number << 3 | 2) + varint(data.size()) + data;
}
inline std::string field(std::uint32_t number, const char* text) { return field(number, std::string(text)); }

// A TensorProto; `data` is its data field, raw_data by default.
inline std::string tensor_proto(const std::string& name, const std::vector<std::int64_t>& shape, std::uint64_t type,
                                const std::string& data) {
    std::string out;
    for (const std::int64_t side : shape) out += field(1, static_cast<std::uint64_t>(side));
    return out + field(2, type) + field(8, name) + data;
}
inline std::string node(const std::string& type, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                        const std::string& attributes = "") {
    std::string out;
    for (const std::string& input : inputs) out += field(1, input);
    for (const std::string& output : outputs) out += field(2, output);
    return field(1, out + field(3, "n_" + type) + field(4, type) + attributes);
}
inline std::string attribute(const std::string& name, const std::string& value) { return field(5, field(1, name) + value); }
inline std::string onnx(const std::string& graph) { return field(1, 8) + field(2, "test") + field(7, graph); }

}  // namespace enlarge::test
