// SPDX-License-Identifier: Apache-2.0
// What every backend that runs networks node by node is asked: each operation and each family, as the reference has it.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "arch/arch.hpp"
#include "backend/reference/reference.hpp"
#include "support/run_program.hpp"
#include "support/source_folder.hpp"
#include "support/tensor_cases.hpp"
#include "tile/tile.hpp"

namespace enlarge::test {

inline std::vector<TensorCase> all_tensor_cases() {
    std::vector<TensorCase> all(std::begin(kTensorCases), std::end(kTensorCases));
    all.insert(all.end(), std::begin(kMoreTensorCases), std::end(kMoreTensorCases));
    return all;
}

inline FloatPicture tensor_picture() { return random_picture(8, 3, {20, 12}); }

// The program computes what the reference computes of tensor_picture(). Returns that.
inline FloatPicture expect_the_reference(const Program& program, const Graph& graph) {
    const FloatPicture picture = tensor_picture();
    EXPECT_EQ(program.info().precision, Precision::fp32);
    EXPECT_EQ(program.info().halo == kWholePicture, !graph.receptive_radius().has_value());
    EXPECT_GT(program.memory_bytes({64, 64}), std::int64_t{64 * 64} * 4 * 10);
    FloatPicture got = run_tiled(program, picture, 1 << 16);
    EXPECT_LE(largest_difference(run_whole(reference_backend(), graph, picture), got), 1e-4);
    return got;
}

// all_tensor_cases() leave no operation out.
inline void expect_every_operation() {
    std::set<std::string_view> tried;
    for (const TensorCase& wanted : all_tensor_cases()) {
        const Graph graph = tensor_network(wanted);
        for (const Node& node : graph.nodes()) tried.insert(node.name());
    }
    EXPECT_EQ(tried.size(), std::variant_size_v<Operation>);
}

// The golden variant of each family, on a picture of the size of its case, rounded up to what the network asks for.
inline void expect_every_family(const Backend& backend) {
    const std::string folder = source_folder() + "/tests/golden/data/";
    std::ifstream cases(folder + "family_cases.txt");
    std::string weights, picture_file, expected_file;
    int width = 0, height = 0, channels = 0, scale = 0, ran = 0;
    while (cases >> weights >> picture_file >> width >> height >> channels >> expected_file >> scale) {
        const Graph graph = must(recognise(must(read_weights(folder + weights)))).graph;
        const auto whole = [&](int side) { return round_up(side, graph.size_multiple()); };
        const FloatPicture picture = random_picture(4, channels, {whole(width), whole(height)});
        const FloatPicture expected = run_whole(reference_backend(), graph, picture);
        EXPECT_LE(largest_difference(expected, run_whole(backend, graph, picture)), 1e-4) << weights;
        ++ran;
    }
    EXPECT_GT(ran, 30);
}

}  // namespace enlarge::test
