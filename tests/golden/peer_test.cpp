// SPDX-License-Identifier: Apache-2.0
// Exported networks run by ONNX Runtime, against the reference backend and the golden files. Needs it for Python:
//   python3 -m venv /tmp/ort && /tmp/ort/bin/pip install onnxruntime numpy
//   ENLARGE_ONNXRUNTIME=/tmp/ort/bin/python ctest -L golden
#include <unistd.h>

#include <cstring>

#include "export/onnx.hpp"
#include "golden.hpp"
#include "support/source_folder.hpp"

namespace enlarge {
namespace {

using test::must;

class peer : public testing::Test {
protected:
    void SetUp() override {
        const char* runtime = std::getenv("ENLARGE_ONNXRUNTIME");
        if (!runtime || !*runtime) GTEST_SKIP() << "ENLARGE_ONNXRUNTIME is not set: exported networks are not run by ONNX Runtime";
        folder_ = std::filesystem::path(testing::TempDir()) / ("enlarge_peer_" + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override {
        if (!folder_.empty()) std::filesystem::remove_all(folder_);
    }

    // What ONNX Runtime makes of a picture with the exported network.
    void run_exported(const Graph& graph, bool half, const test::FloatPicture& in, test::FloatPicture& out) {
        OnnxFile file;
        file.half = half;
        write("model.onnx", must(write_onnx(graph, file)));
        write("in.f32", {reinterpret_cast<const char*>(in.values.data()), in.values.size() * sizeof(float)});
        const std::string command = std::string(std::getenv("ENLARGE_ONNXRUNTIME")) + " " + test::source_folder() +
                                    "/tests/golden/run_onnx.py " + (folder_ / "model.onnx").string() + " " +
                                    (folder_ / "in.f32").string() + " " +
                                    std::to_string(in.channels) + " " + std::to_string(in.size.height) + " " +
                                    std::to_string(in.size.width) + " " + (folder_ / "out.f32").string();
        std::filesystem::remove(folder_ / "out.f32");
        EXPECT_EQ(std::system(command.c_str()), 0) << command;
        std::ifstream result(folder_ / "out.f32", std::ios::binary);
        const auto bytes = static_cast<std::streamsize>(out.values.size() * sizeof(float));
        result.read(reinterpret_cast<char*>(out.values.data()), bytes);
        EXPECT_EQ(result.gcount(), bytes);
        EXPECT_EQ(result.peek(), EOF);
    }

    // The largest difference between ONNX Runtime and the reference backend.
    double difference(const Graph& graph, bool half, Size size) {
        const test::FloatPicture in = test::random_picture(3, graph.input_channels(), size);
        const test::FloatPicture ours = test::run_whole(*must(choose_backend("reference")), graph, in);
        test::FloatPicture theirs = ours;
        run_exported(graph, half, in, theirs);
        return noted(test::largest_difference(ours, theirs));
    }

    // The same between ONNX Runtime and what the network's authors' program computed.
    double difference(const test::GoldenCase& golden) {
        const Size size{golden.width, golden.height}, big{size.width * golden.scale, size.height * golden.scale};
        test::FloatPicture in(golden.channels, size), expected(golden.channels, big), theirs(golden.channels, big);
        const std::vector<char> pixels = test::read_golden(golden.picture), wanted = test::read_golden(golden.expected);
        for (std::size_t i = 0; i < pixels.size(); ++i) {
            const std::size_t channels = static_cast<std::size_t>(golden.channels), plane = in.values.size() / channels;
            in.values[i % channels * plane + i / channels] = static_cast<float>(static_cast<unsigned char>(pixels[i])) / 255;
        }
        EXPECT_EQ(wanted.size(), expected.values.size() * sizeof(float));
        std::memcpy(expected.values.data(), wanted.data(), wanted.size());
        run_exported(this->golden(golden.weights), false, in, theirs);
        return noted(test::largest_difference(expected, theirs));
    }

    Graph golden(const std::string& file) { return must(recognise(must(read_weights(test::golden_path(file))))).graph; }

private:
    double noted(double largest) {
        RecordProperty("largest_difference_" + std::to_string(run_++), std::to_string(largest));
        return largest;
    }
    int run_ = 0;
    void write(const std::string& name, const std::string& bytes) {
        std::ofstream(folder_ / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    std::filesystem::path folder_;
};

const char* const kNetworks[] = {"compact_x4.pth", "compact_x3.pth", "compact_x1.pth", "compact_grey_x2.pth", "rrdb_esrgan_x4.pth",
                                 "rrdb_plus_x4.pth", "rrdb_real_x2.pth", "rrdb_real_x1.safetensors", "rrdb_esrgan_x8.safetensors",
                                 "span_x2.pth", "span_slim_x4.safetensors", "span_plain_x2.safetensors"};

TEST_F(peer, onnx_runtime_computes_the_same_in_float) {
    for (const char* file : kNetworks) EXPECT_LE(difference(golden(file), false, {20, 16}), 1e-4) << file;
}

TEST_F(peer, onnx_runtime_computes_what_the_authors_of_each_family_do) {
    for (const test::GoldenCase& golden : test::golden_cases("family_cases.txt"))
        EXPECT_LE(difference(golden), 1e-4) << golden.weights;
}

TEST_F(peer, onnx_runtime_computes_nearly_the_same_in_half_precision) {
    for (const char* file : kNetworks) EXPECT_LE(difference(golden(file), true, {20, 16}), 0.02) << file;
}

TEST_F(peer, onnx_runtime_computes_the_same_with_published_networks) {
    if (test::real_weights().empty()) GTEST_SKIP() << "ENLARGE_TEST_DATA is not set: published weights are not tested";
    for (const char* file : {"pth/realesr-general-x4v3-fp16values.pth", "pth/realesr-animevideov3.pth", "span/team46_span.pth"})
        EXPECT_LE(difference(must(recognise(must(read_weights(test::real_weights() + file)))).graph, false, {24, 20}), 1e-4) << file;
}

}  // namespace
}  // namespace enlarge
