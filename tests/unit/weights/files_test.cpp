// SPDX-License-Identifier: Apache-2.0
// What people give by mistake, and what is not a file.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "unit/weights/builders.hpp"

namespace enlarge {
namespace {

using namespace test;

MUTATIONS(not_weights, {
    {"empty", [] { return std::string(); }, Errc::format, "an empty file"},
    {"git_lfs_pointer", [] { return std::string("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"); }, Errc::unsupported, "a git-lfs pointer, not weights"},
    {"html_page", [] { return std::string("\n<!DOCTYPE html>\n<html><body>Sign in</body></html>"); }, Errc::unsupported, "an HTML page, not weights"},
    {"html_page_without_doctype", [] { return std::string("<HTML><head>"); }, Errc::unsupported, "an HTML page"},
    {"xml", [] { return std::string("<?xml version=\"1.0\"?><net/>"); }, Errc::unsupported, "an XML file"},
    {"json", [] { return std::string("{\"message\": \"Not Found\"}"); }, Errc::unsupported, "a JSON file"},
    {"tensorflow_js", [] { return std::string("{\"format\": \"graph-model\", \"weights\": []}"); }, Errc::unsupported, "a TensorFlow.js model"},
    {"hdf5", [] { return std::string("\x89HDF\r\n\x1a\n12345678"); }, Errc::unsupported, "HDF5"},
    {"tensorflow_lite", [] { return std::string("\x1c\0\0\0TFL3abc", 11); }, Errc::unsupported, "a TensorFlow Lite model"},
    {"tensorflow_graph", [] { return field(1, field(1, "input") + field(2, "Placeholder")); }, Errc::unsupported, "a TensorFlow graph"},
    {"gguf", [] { return std::string("GGUF\3\0\0\0", 8); }, Errc::unsupported, "a GGUF model"},
    {"numpy", [] { return std::string("\x93NUMPY\1\0", 8); }, Errc::unsupported, "a NumPy array"},
    {"gzip", [] { return std::string("\x1f\x8b\x08rest"); }, Errc::unsupported, "gzip-compressed"},
    {"seven_zip", [] { return std::string("7z\xbc\xaf\x27\x1c rest"); }, Errc::unsupported, "a 7z archive"},
    {"rar", [] { return std::string("Rar!\x1a\x07"); }, Errc::unsupported, "a RAR archive"},
    {"tar", [] { return std::string(257, 'a') + "ustar"; }, Errc::unsupported, "a tar archive"},
    {"png", [] { return std::string("\x89PNG\r\n\x1a\n"); }, Errc::unsupported, "a PNG picture"},
    {"jpeg", [] { return std::string("\xff\xd8\xff\xe0"); }, Errc::unsupported, "a JPEG picture"},
    {"binary_ncnn_param", [] { return std::string("\xdd\x85\x76\0rest", 8); }, Errc::unsupported, "a binary ncnn .param"},
    {"tensorrt_engine", [] { return std::string("ftrt1234"); }, Errc::unsupported, "a TensorRT engine"},
    {"zeros", [] { return std::string(4096, '\0'); }, Errc::format, "nothing but zero bytes"},
    {"plain_text", [] { return std::string("hello"); }, Errc::unsupported, "not a weight file that is known"},
    {"empty_zip", [] { return make_zip({}); }, Errc::format, "an empty zip archive"},
});

TEST(read_weights, names_the_file_once) {
    const ScratchFolder folder;
    const std::string path = folder.write("page.pth", "<html>");
    const auto weights = read_weights(path);
    ASSERT_FALSE(weights.ok());
    EXPECT_EQ(weights.error().message, path + ": an HTML page, not weights; download the file itself");
}

TEST(read_weights, says_when_there_is_no_file) {
    expect_error(read_weights("/nowhere/at/all.pth"), Errc::not_found, "/nowhere/at/all.pth: no such file");
}

TEST(read_weights, says_when_it_is_a_folder) {
    const ScratchFolder folder;
    expect_error(read_weights(folder.path("")), Errc::unsupported, "a directory; a weight file expected");
    folder.write("saved_model.pb", "x");
    expect_error(read_weights(folder.path("")), Errc::unsupported, "a TensorFlow SavedModel");
}

TEST(read_weights, does_not_wait_for_a_pipe_nor_read_a_device) {
    const ScratchFolder folder;
    ASSERT_EQ(mkfifo(folder.path("pipe").c_str(), 0600), 0);
    expect_error(read_weights(folder.path("pipe")), Errc::unsupported, "not a regular file");
    expect_error(read_weights("/dev/zero"), Errc::unsupported, "not a regular file");
}

TEST(read_weights, says_when_a_file_may_not_be_read) {
    if (geteuid() == 0) GTEST_SKIP() << "SKIPPED: root may read everything";
    const ScratchFolder folder;
    const std::string path = folder.write("secret.pth", fixture("zip.pth"));
    ASSERT_EQ(chmod(path.c_str(), 0), 0);
    expect_error(read_weights(path), Errc::io, "Permission denied");
}

TEST(read_weights, refuses_a_file_beyond_the_limit_without_reading_it) {
    const ScratchFolder folder;
    const std::string path = folder.write("sparse.pth", "PK\x03\x04");
    std::filesystem::resize_file(path, std::uintmax_t{5} << 30);
    expect_error(read_weights(path), Errc::limit, "5368709120 bytes; at most 4294967296 allowed");
}

TEST(read_weights, goes_by_content_and_not_by_name) {
    const ScratchFolder folder;
    const auto weights = read_weights(folder.write("model.safetensors", fixture("zip.pth")));
    ASSERT_TRUE(weights.ok()) << weights.error().message;
    EXPECT_EQ(weights->format, WeightFormat::pth_zip);
    const auto bin = read_weights(folder.write("pytorch_model.bin", fixture("zip.pth")));
    ASSERT_TRUE(bin.ok()) << bin.error().message;
}

}  // namespace
}  // namespace enlarge
