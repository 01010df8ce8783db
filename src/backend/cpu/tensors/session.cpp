// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/tensors/session.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "backend/reference/ops.hpp"
#include "backend/reference/pixels.hpp"

namespace enlarge::cpu::tensors {
namespace {

reference::Tensor as_reference(const Tensor& from) {
    reference::Tensor to(from.layout->sides);
    if (!from.layout->pixels) {
        std::copy_n(from.data, from.layout->floats, to.values.begin());
        return to;
    }
    for (int y = 0; y < from.height(); ++y)
        for (int x = 0; x < from.width(); ++x) {
            const float* pixel = from.pixel(y, x);
            for (int c = 0; c < from.channels(); ++c) to.row(c, y)[x] = pixel[c];
        }
    return to;
}

void from_reference(const float* from, const Tensor& to) {
    if (!to.layout->pixels) {
        std::copy_n(from, to.layout->floats, to.data);
        return;
    }
    const std::ptrdiff_t plane = std::ptrdiff_t{to.height()} * to.width();
    for (int y = 0; y < to.height(); ++y)
        for (int x = 0; x < to.width(); ++x) {
            float* pixel = to.pixel(y, x);
            for (int c = 0; c < to.channels(); ++c) pixel[c] = from[c * plane + std::ptrdiff_t{y} * to.width() + x];
            for (int c = to.channels(); c < to.padded(); ++c) pixel[c] = 0;
        }
}

class TensorProgram final : public Program {
public:
    TensorProgram(std::shared_ptr<const Network> network, const KernelTable& kernels, ThreadPool* pool, const std::string& isa)
        : network_(std::move(network)), kernels_(kernels), pool_(pool) {
        const Graph& graph = network_->graph;
        info_.scale = graph.scale();
        info_.channels = graph.input_channels();
        info_.size_multiple = graph.size_multiple();
        info_.halo = network_->halo;
        info_.alignment = network_->alignment;
        info_.precision = Precision::fp32;
        info_.description = "cpu " + isa + ", fp32, node by node";
        if (network_->operations_in_plain_loops > 0)
            info_.description += "; " + std::to_string(network_->operations_in_plain_loops) + " of " +
                                 std::to_string(network_->steps.size()) + " in plain loops (" + network_->first_plain + ")";
    }

    [[nodiscard]] const ProgramInfo& info() const override { return info_; }

    [[nodiscard]] std::int64_t memory_bytes(Size tile) const override {
        const auto layouts = lay_out(*network_, tile, kernels_.lanes);
        if (!layouts.ok()) return layouts.error().code == Errc::limit ? std::int64_t{1} << 60 : 0;
        const bool plain = network_->operations_in_plain_loops > 0;
        const std::int64_t threads = pool_ ? pool_->size() : 1;
        return (layouts->arena_floats + (plain ? layouts->plain_floats : 0) + threads * kScratchFloats) * std::int64_t{sizeof(float)};
    }

    Result<std::unique_ptr<Session>> session() const override {
        return std::unique_ptr<Session>(std::make_unique<Runner>(network_, info_, kernels_, pool_));
    }

private:
    static constexpr std::int64_t kScratchFloats = 1 << 19;  // of a thread: batches of Winograd blocks, attention
    std::shared_ptr<const Network> network_;
    const KernelTable& kernels_;
    ThreadPool* pool_;
    ProgramInfo info_;
};

}  // namespace

std::unique_ptr<Program> make_program(std::shared_ptr<const Network> network, const KernelTable& kernels, ThreadPool* pool,
                                      const std::string& isa) {
    return std::make_unique<TensorProgram>(std::move(network), kernels, pool, isa);
}

Runner::Runner(std::shared_ptr<const Network> network, const ProgramInfo& info, const KernelTable& kernels, ThreadPool* pool)
    : network_(std::move(network)), info_(info), kernels_(kernels), pool_(pool),
      scratch_(static_cast<std::size_t>(pool ? pool->size() : 1)) {}

Tensor Runner::tensor(int node) const {
    const Layout& layout = layouts_.nodes[static_cast<std::size_t>(node)];
    return {&layout, arena_.as<float>() + layout.offset};
}

void Runner::parallel(std::int64_t count, const std::function<void(std::int64_t, Scratch&)>& body) {
    if (!pool_ || count <= 1) {
        for (std::int64_t i = 0; i < count; ++i) body(i, scratch_[0]);
        return;
    }
    std::atomic<std::int64_t> next{0};
    pool_->team([&](int index, int) {
        Scratch& scratch = scratch_[static_cast<std::size_t>(index)];
        for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i, scratch);
    });
}

Result<void> Runner::place(Size picture) {
    if (picture == placed_) return {};
    TRY(layouts_, lay_out(*network_, picture, kernels_.lanes));
    const auto bytes = static_cast<std::size_t>(layouts_.arena_floats) * sizeof(float);
    if (arena_.bytes() < bytes) arena_ = {};
    if (arena_.bytes() < bytes) arena_ = Block(bytes);
    zeros_.assign(static_cast<std::size_t>(layouts_.zero_row_floats), 0.0F);
    placed_ = picture;
    return {};
}

void Runner::clear_borders(const Tensor& tensor) const {
    const Layout& l = *tensor.layout;
    if (!l.pixels) return;
    const std::ptrdiff_t left = std::ptrdiff_t{l.left} * l.padded, inside = std::ptrdiff_t{l.width} * l.padded;
    for (int y = 0; y < l.height; ++y) {
        float* const row = tensor.data + y * l.row_floats;
        std::fill(row, row + left, 0.0F);
        std::fill(row + left + inside, row + l.row_floats, 0.0F);
    }
}

Result<TileReport> Runner::run(const TileJob& job) {
    TRY(check(job, info_));
    TRY(place(job.in.size));
    load(job);
    for (std::size_t s = 1; s < network_->steps.size(); ++s) {
        compute(network_->steps[s], job);
        if (job.progress && *job.progress && !(*job.progress)(static_cast<double>(s + 1) / static_cast<double>(network_->steps.size())))
            return Error{Errc::cancelled, "stopped"};
    }
    return store(job);
}

void Runner::load(const TileJob& job) {
    const Tensor to = tensor(0);
    planes_.resize(static_cast<std::size_t>(to.channels()) * static_cast<std::size_t>(to.height()) * static_cast<std::size_t>(to.width()));
    reference::load_planes(job.in, planes_.data());
    clear_borders(to);
    from_reference(planes_.data(), to);
}

TileReport Runner::store(const TileJob& job) {
    const Tensor from = tensor(static_cast<int>(network_->graph.nodes().size()) - 1);
    const int s = info_.scale;
    const Rect core{job.core.x * s, job.core.y * s, job.core.width * s, job.core.height * s};
    const auto plane = static_cast<std::size_t>(core.width) * static_cast<std::size_t>(core.height);
    planes_.resize(static_cast<std::size_t>(from.channels()) * plane);
    TileReport report;
    for (int y = 0; y < core.height; ++y)
        for (int x = 0; x < core.width; ++x) {
            const float* pixel = from.pixel(core.y + y, core.x + x);
            for (int c = 0; c < from.channels(); ++c) {
                report.finite = report.finite && std::isfinite(pixel[c]);
                planes_[static_cast<std::size_t>(c) * plane + static_cast<std::size_t>(y) * static_cast<std::size_t>(core.width) + static_cast<std::size_t>(x)] = pixel[c];
            }
        }
    reference::store_planes(planes_.data(), core.size(), {0, 0, core.width, core.height}, job.out);
    return report;
}

void Runner::compute(const Step& step, const TileJob& job) {
    Compute compute{*this, step, tensor(step.node), {}};
    for (const int from : step.inputs) compute.in.push_back(tensor(from));
    clear_borders(compute.out);
    if (step.convolution) return compute.convolve();
    if (step.plain) return compute_plainly(step, job);
    std::visit([&](const auto& op) { compute(op); }, node(step.operation).op);
}

void Runner::compute_plainly(const Step& step, const TileJob& job) {
    std::vector<reference::Tensor> copies;
    for (const int from : step.inputs) copies.push_back(as_reference(tensor(from)));
    std::vector<const reference::Tensor*> in;
    for (const reference::Tensor& copy : copies) in.push_back(&copy);
    const Tensor out = tensor(step.node);
    reference::Tensor result(out.layout->sides);
    const Node& what = node(step.operation);
    reference::run_node(what, in, job.continued, result, pool_);
    from_reference(result.values.data(), out);
}

}  // namespace enlarge::cpu::tensors
