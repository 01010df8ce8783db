// SPDX-License-Identifier: Apache-2.0
#include "backend/reference/reference.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "backend/reference/ops.hpp"
#include "backend/reference/pixels.hpp"
#include "base/cpu.hpp"

namespace enlarge {
namespace {

using reference::Tensor;

// The last node that reads each node's result; the output's own index for the output.
std::vector<std::size_t> last_uses(const Graph& graph) {
    std::vector<std::size_t> last(graph.nodes().size());
    for (std::size_t i = 0; i < last.size(); ++i) {
        last[i] = i;
        for (const int input : graph.nodes()[i].inputs) last[static_cast<std::size_t>(input)] = i;
    }
    return last;
}

// Bytes of a node's result for a picture of this size.
std::int64_t bytes_of(const Node& node, Size picture) {
    std::int64_t count = 4;
    for (const Extent& side : node.shape) count *= std::max<std::int64_t>(side.at(picture), 1);
    return count;
}

class ReferenceSession : public Session {
public:
    ReferenceSession(const Graph& graph, const ProgramInfo& info, ThreadPool* pool)
        : graph_(graph), info_(info), pool_(pool) {}

    Result<TileReport> run(const TileJob& job) override {
        TRY(check(job, info_));
        std::vector<Tensor> pictures;
        pictures.push_back(Tensor({info_.channels, job.in.size.height, job.in.size.width}));
        reference::load_planes(job.in, pictures[0].values.data());
        TRY(const Tensor result, reference::evaluate(graph_, std::move(pictures), pool_, job.progress, job.continued));
        const int s = info_.scale;
        const Rect core{job.core.x * s, job.core.y * s, job.core.width * s, job.core.height * s};
        TileReport report;
        for (int c = 0; c < result.channels(); ++c)
            for (int y = core.y; y < core.bottom(); ++y)
                report.finite = report.finite && std::all_of(result.row(c, y) + core.x, result.row(c, y) + core.right(),
                                                             [](float value) { return std::isfinite(value); });
        reference::store_planes(result.values.data(), {result.width(), result.height()}, core, job.out);
        return report;
    }

private:
    const Graph& graph_;
    const ProgramInfo& info_;
    ThreadPool* pool_;
};

class ReferenceProgram : public Program {
public:
    ReferenceProgram(Graph graph, ThreadPool* pool) : graph_(std::move(graph)), pool_(pool) {
        info_.scale = graph_.scale();
        info_.channels = graph_.input_channels();
        info_.size_multiple = graph_.size_multiple();
        // Sums do not depend on where a tile begins, so only what a pixel can see matters, and whole pixel_unshuffle
        // blocks: a halo that is cut to the multiple must still hold the radius.
        info_.alignment = info_.size_multiple;
        const auto radius = graph_.receptive_radius();
        info_.halo = radius ? (*radius + info_.alignment - 1) / info_.alignment * info_.alignment : kWholePicture;
        info_.precision = Precision::fp32;
        info_.description = "reference, double-precision sums";
        info_.plain_loops = true;
    }

    [[nodiscard]] const ProgramInfo& info() const override { return info_; }

    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override {
        const std::vector<std::size_t> last = last_uses(graph_);
        const auto bytes = [&](std::size_t i) { return bytes_of(graph_.nodes()[i], tile); };
        std::int64_t live = 0, most = 0;
        for (std::size_t i = 0; i < last.size(); ++i) {
            live += bytes(i);
            most = std::max(most, live);
            std::vector<int> inputs = graph_.nodes()[i].inputs;
            std::sort(inputs.begin(), inputs.end());
            inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
            for (const int input : inputs)
                if (last[static_cast<std::size_t>(input)] == i) live -= bytes(static_cast<std::size_t>(input));
        }
        return most;
    }

    Result<std::unique_ptr<Session>> session() const override {
        return std::unique_ptr<Session>(std::make_unique<ReferenceSession>(graph_, info_, pool_));
    }

private:
    Graph graph_;
    ProgramInfo info_;
    ThreadPool* pool_;
};

class ReferenceBackend : public Backend {
public:
    [[nodiscard]] std::string_view name() const override { return "reference"; }
    [[nodiscard]] DeviceKind kind() const override { return DeviceKind::reference; }

    std::vector<DeviceInfo> probe() const override {
        DeviceInfo device;
        device.id = "reference";
        device.name = "plain loops, for tests and as the last resort";
        device.memory_bytes = free_memory_bytes();
        device.usable = true;
        device.kind = DeviceKind::reference;
        device.precisions = {Precision::fp32};
        device.detail = "fp32 (sums in double precision)";
        return {device};
    }

    Result<std::unique_ptr<Program>> compile(const Graph& graph, const CompileOptions& options) const override {
        if (options.precision != Precision::automatic && options.precision != Precision::fp32)
            return Error{Errc::unsupported, "the reference backend computes in fp32 only; " +
                                                std::string(precision_name(options.precision)) + " was asked for"};
        TRY(graph.validate());
        if (graph.inputs() != 1)
            return Error{Errc::unsupported,
                         "a network with " + std::to_string(graph.inputs()) + " inputs; one picture is expected"};
        if (graph.output().channels != graph.input_channels())
            return Error{Errc::unsupported, "a network from " + std::to_string(graph.input_channels()) + " to " +
                                                std::to_string(graph.output().channels) + " channels"};
        return std::unique_ptr<Program>(std::make_unique<ReferenceProgram>(graph, options.pool));
    }
};

}  // namespace

const Backend& reference_backend() {
    static const ReferenceBackend backend;
    return backend;
}

}  // namespace enlarge
