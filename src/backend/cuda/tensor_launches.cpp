// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/tensor_launches.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace enlarge::cuda {
namespace {

using tensors::Call;

// Numbers of a group, and pixels of a window, that are worth a block; and the most parts.
constexpr std::int64_t kPart = 4096, kScorePart = 1024, kMostParts = 64;

template <class Parameters>
Parameters parameters_of(const Call& call) {
    Parameters p;
    std::memcpy(&p, call.parameters.data(), sizeof p);
    return p;
}

// Not by how many multiprocessors there are: sums must not depend on the GPU.
int parts_of(std::int64_t size, std::int64_t part) {
    return static_cast<int>(std::clamp<std::int64_t>(size / part, 1, kMostParts));
}

GroupParts group_parts(const Call& call, CuAddress scratch) {
    GroupParts p{parameters_of<tensors::NormGroups>(call), scratch, scratch, 1};
    p.parts = parts_of(p.of.size, kPart);
    p.squares += static_cast<std::uint64_t>(p.of.groups * p.parts) * sizeof(float);
    return p;
}

std::int64_t score_groups(const tensors::ChannelScores& p) {
    return std::int64_t{p.height / p.window_h} * (p.width / p.window_w) * p.heads;
}
ScoreParts score_parts(const Call& call, CuAddress scratch) {
    ScoreParts p{parameters_of<tensors::ChannelScores>(call), scratch, 1};
    p.parts = parts_of(std::int64_t{p.of.window_h} * p.of.window_w, kScorePart);
    return p;
}

bool in_parts(const tensors::ChannelScores& p) { return p.channels / p.heads <= kMostScoreChannels; }

Shape shape_groups(std::int64_t blocks, int shared_bytes, const Device& device) {
    return {static_cast<int>(std::min(blocks, std::int64_t{8} * device.multiprocessors)), 256, shared_bytes};
}

Result<void> add_groups(const Device& device, const GroupParts& p, std::vector<Launch>& launches) {
    const Shape shape = shape_groups(p.of.groups * p.parts, 256 * 4, device);
    for (const char* kernel : {"tensor_group_sums", "tensor_group_squares", "tensor_group_norm"}) {
        if (p.of.mean && kernel == std::string_view("tensor_group_squares")) continue;
        TRY(launches.emplace_back(), launch_of(device, kernel, shape, p));
    }
    return {};
}

Result<void> add_scores(const Device& device, const ScoreParts& p, std::int64_t items, std::vector<Launch>& launches) {
    const Shape shape = shape_groups(score_groups(p.of) * p.parts, kScoreBytes, device);
    TRY(launches.emplace_back(), launch_of(device, "tensor_score_parts", shape, p));
    TRY(launches.emplace_back(), launch_of(device, "tensor_score_sums", shape_items(items, device.multiprocessors), p));
    return {};
}

}  // namespace

std::uint64_t scratch_bytes(const Call& call) {
    const std::string_view kernel = call.kernel;
    if (kernel == "tensor_groups") {
        const GroupParts p = group_parts(call, 0);
        return 2 * p.squares;
    }
    if (kernel != "tensor_channel_scores" || !in_parts(parameters_of<tensors::ChannelScores>(call))) return 0;
    const ScoreParts p = score_parts(call, 0);
    const auto size = static_cast<std::uint64_t>(p.of.channels / p.of.heads);
    return static_cast<std::uint64_t>(score_groups(p.of) * p.parts) * (size * size + 2 * size) * sizeof(float);
}

Result<void> add_launches(const Device& device, const Call& call, CuAddress scratch, std::vector<Launch>& launches) {
    const std::string_view kernel = call.kernel;
    if (kernel == "tensor_groups") return add_groups(device, group_parts(call, scratch), launches);
    if (kernel == "tensor_channel_scores" && in_parts(parameters_of<tensors::ChannelScores>(call)))
        return add_scores(device, score_parts(call, scratch), call.items, launches);
    Launch launch;
    launch.kernel = kernel;
    launch.parameters = call.parameters;
    launch.shape = shape_items(call.items, device.multiprocessors);
    if (kernel == "tensor_conv") {
        const auto p = parameters_of<tensors::ConvTensor>(call);
        if (p.groups == 1 && !p.transposed) {
            launch.kernel = "tensor_conv_float";
            launch.shape =
                shape_float(std::int64_t{p.out_height} * p.out_width, p.out_channels, device.multiprocessors);
        }
    } else if (kernel == "tensor_attend") {
        const auto p = parameters_of<tensors::Attend>(call);
        struct Kind {
            int most, shared_bytes;
        };
        for (const Kind& kind : {Kind{64, kKeyChunkBytes<64>}, {32, kKeyChunkBytes<32>}, {16, kKeyChunkBytes<16>}})
            if (std::max(p.size, p.to_size) <= kind.most) {
                launch.kernel = "tensor_attend" + std::to_string(kind.most);
                launch.shape = shape_attend(call.items, kind.shared_bytes, device.multiprocessors);
            }
    }
    TRY(launch.function, device.kernel(launch.kernel));
    launches.push_back(std::move(launch));
    return {};
}

}  // namespace enlarge::cuda
