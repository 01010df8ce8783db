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

using reference::Planes;

// The last node that reads each node's result; the output's own index for the output.
std::vector<std::size_t> last_uses(const Graph& graph) {
    std::vector<std::size_t> last(graph.nodes().size());
    for (std::size_t i = 0; i < last.size(); ++i) {
        last[i] = i;
        for (const int input : graph.nodes()[i].inputs) last[static_cast<std::size_t>(input)] = i;
    }
    return last;
}

Size scaled(Size size, const Node& node) {
    return {size.width * node.num / node.den, size.height * node.num / node.den};
}

class ReferenceSession : public Session {
public:
    ReferenceSession(const Graph& graph, const ProgramInfo& info, ThreadPool* pool)
        : graph_(graph), info_(info), pool_(pool), last_use_(last_uses(graph)) {}

    Result<TileReport> run(const TileJob& job) override {
        TRY(check(job));
        const std::vector<Node>& nodes = graph_.nodes();
        std::vector<Planes> tensors(nodes.size());
        tensors[0] = {nodes[0].channels, job.in.size, {}};
        tensors[0].values.resize(tensors[0].plane_size() * static_cast<std::size_t>(nodes[0].channels));
        reference::load_planes(job.in, tensors[0].values.data());
        for (std::size_t i = 1; i < nodes.size(); ++i) {
            Planes& out = tensors[i];
            out = {nodes[i].channels, scaled(job.in.size, nodes[i]), {}};
            out.values.resize(out.plane_size() * static_cast<std::size_t>(out.channels));
            std::vector<const Planes*> inputs;
            for (const int input : nodes[i].inputs) inputs.push_back(&tensors[static_cast<std::size_t>(input)]);
            reference::run_op(nodes[i], inputs, out, pool_);
            for (const int input : nodes[i].inputs)
                if (last_use_[static_cast<std::size_t>(input)] == i) tensors[static_cast<std::size_t>(input)] = {};
            const double done = static_cast<double>(i) / static_cast<double>(nodes.size());
            if (job.progress && *job.progress && !(*job.progress)(done)) return Error{Errc::cancelled, "stopped"};
        }
        const Planes& result = tensors.back();
        const int s = info_.scale;
        const Rect core{job.core.x * s, job.core.y * s, job.core.width * s, job.core.height * s};
        TileReport report;
        for (int c = 0; c < result.channels; ++c)
            for (int y = core.y; y < core.bottom(); ++y)
                report.finite = report.finite && std::all_of(result.row(c, y) + core.x, result.row(c, y) + core.right(),
                                                             [](float value) { return std::isfinite(value); });
        reference::store_planes(result.values.data(), result.size, core, job.out);
        return report;
    }

private:
    Result<void> check(const TileJob& job) const {
        const Size size = job.in.size;
        ENSURE(job.in.format.channels == info_.channels && job.out.format.channels == info_.channels);
        ENSURE(size.width > 0 && size.height > 0);
        ENSURE(size.width % info_.size_multiple == 0 && size.height % info_.size_multiple == 0);
        ENSURE(job.core.x >= 0 && job.core.y >= 0 && job.core.width > 0 && job.core.height > 0);
        ENSURE(job.core.right() <= size.width && job.core.bottom() <= size.height);
        ENSURE(job.out.size.width == job.core.width * info_.scale);
        ENSURE(job.out.size.height == job.core.height * info_.scale);
        return {};
    }

    const Graph& graph_;
    const ProgramInfo& info_;
    ThreadPool* pool_;
    std::vector<std::size_t> last_use_;
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
        info_.halo = (graph_.receptive_radius() + info_.alignment - 1) / info_.alignment * info_.alignment;
        info_.precision = Precision::fp32;
        info_.description = "reference, double-precision sums";
    }

    [[nodiscard]] const ProgramInfo& info() const override { return info_; }

    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override {
        const std::vector<std::size_t> last = last_uses(graph_);
        const auto bytes = [&](std::size_t i) {
            const Node& node = graph_.nodes()[i];
            const Size size = scaled(tile, node);
            return std::int64_t{4} * node.channels * size.width * size.height;
        };
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

    std::vector<DeviceInfo> probe() const override {
        DeviceInfo device;
        device.id = "reference";
        device.name = "plain loops, for tests and as the last resort";
        device.memory_bytes = free_memory_bytes();
        device.usable = true;
        device.detail = "fp32 (sums in double precision)";
        return {device};
    }

    Result<std::unique_ptr<Program>> compile(const Graph& graph, const CompileOptions& options) const override {
        if (options.precision != Precision::automatic && options.precision != Precision::fp32)
            return Error{Errc::unsupported, "the reference backend computes in fp32 only; " +
                                                std::string(precision_name(options.precision)) + " was asked for"};
        TRY(graph.validate());
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
