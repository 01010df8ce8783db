// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/tensors/session.hpp"

#include <algorithm>
#include <chrono>
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
    TensorProgram(std::shared_ptr<const PreparedNetwork> network, const KernelTable& kernels, ThreadPool* pool, const std::string& isa)
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
        const auto layouts = lay_out(*network_, network_->all, tile, kernels_.lanes, true);
        return layouts.ok() ? layouts->bytes() + scratch_bytes(*network_, pool_) : of_failure(layouts.error());
    }

    [[nodiscard]] std::int64_t least_memory_bytes(Size tile) const override {
        const std::int64_t whole = memory_bytes(tile);
        if (!network_->stages) return whole;
        const auto plan = plan_stages(*network_, tile, 0, kernels_.lanes, pool_);
        return std::min(whole, plan.ok() ? plan->bytes : of_failure(plan.error()));
    }

    Result<std::unique_ptr<Session>> session() const override {
        return std::unique_ptr<Session>(std::make_unique<Runner>(network_, info_, kernels_, pool_));
    }

private:
    // More than any memory holds; nothing where the run itself will say what is wrong.
    static std::int64_t of_failure(const Error& error) { return error.code == Errc::limit ? std::int64_t{1} << 60 : 0; }

    std::shared_ptr<const PreparedNetwork> network_;
    const KernelTable& kernels_;
    ThreadPool* pool_;
    ProgramInfo info_;
};

}  // namespace

std::unique_ptr<Program> make_program(std::shared_ptr<const PreparedNetwork> network, const KernelTable& kernels, ThreadPool* pool,
                                      const std::string& isa) {
    return std::make_unique<TensorProgram>(std::move(network), kernels, pool, isa);
}

Runner::Runner(std::shared_ptr<const PreparedNetwork> network, const ProgramInfo& info, const KernelTable& kernels, ThreadPool* pool)
    : network_(std::move(network)), info_(info), kernels_(kernels), pool_(pool),
      scratch_(static_cast<std::size_t>(pool ? pool->size() : 1)) {}

std::int64_t scratch_bytes(const PreparedNetwork& network, const ThreadPool* pool) {
    constexpr std::int64_t kLeast = std::int64_t{1} << 21;  // attention and lines
    return std::max(kLeast, network.scratch_floats * std::int64_t{sizeof(float)}) * (pool ? pool->size() : 1);
}

std::int64_t Runner::scratch_bytes() const {
    std::int64_t all = 0;
    for (const Scratch& scratch : scratch_) all += static_cast<std::int64_t>(scratch.bytes());
    return all;
}

void Runner::parallel(std::int64_t count, const std::function<void(std::int64_t, Scratch&)>& body) {
    if (!pool_ || count <= 1) {
        for (std::int64_t i = 0; i < count; ++i) body(i, scratch_[0]);
        return;
    }
    std::atomic<std::int64_t> next{0};
    pool_->parallel([&](int index, int) {
        Scratch& scratch = scratch_[static_cast<std::size_t>(index)];
        for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i, scratch);
    });
}

void Runner::reserve(Block& block, std::int64_t floats) const {
    const auto bytes = static_cast<std::size_t>(floats) * sizeof(float);
    if (block.bytes() < bytes) block = {};  // freed first: old and new need not fit at the same time
    if (block.bytes() < bytes) block = Block(bytes);
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
    if (job.in.size != placed_) {
        placed_ = {0, 0};
        TRY(layouts_, lay_out(*network_, network_->all, job.in.size, kernels_.lanes, true));
        placed_ = job.in.size;
    }
    const bool fits = job.memory_bytes == 0 || layouts_.bytes() + tensors::scratch_bytes(*network_, pool_) <= job.memory_bytes;
    return fits || !network_->stages ? run_whole(job) : run_staged(job);
}

Result<TileReport> Runner::run_whole(const TileJob& job) {
    reserve(arena_, layouts_.arena_floats);
    zeros_.resize(static_cast<std::size_t>(layouts_.zero_row_floats), 0.0F);
    tensors_.clear();
    for (const Layout& layout : layouts_.nodes) tensors_.push_back({&layout, arena_.as<float>() + layout.offset});
    load(job);
    for (std::size_t s = 1, end = 0; s < network_->steps.size(); s = end) {
        end = static_cast<std::size_t>(network_->end[s]);
        compute_all(s, end, job.continued);
        if (job.progress && *job.progress &&
            !(*job.progress)(static_cast<double>(end) / static_cast<double>(network_->steps.size())))
            return Error{Errc::cancelled, "stopped"};
    }
    return store(tensors_.back(), {job.core.x * info_.scale, job.core.y * info_.scale, job.core.width * info_.scale, job.core.height * info_.scale}, job.out);
}

void Runner::load(const TileJob& job) {
    const Tensor& to = tensors_[0];
    clear_borders(to);
    parallel(to.height(), [&](std::int64_t row, Scratch& scratch) {
        const int y = static_cast<int>(row);
        float* const planes = scratch.floats(std::int64_t{to.channels()} * to.width());
        reference::load_planes(job.in.part({0, y, to.width(), 1}), planes);
        for (int x = 0; x < to.width(); ++x) {
            float* const pixel = to.pixel(y, x);
            for (int c = 0; c < to.channels(); ++c) pixel[c] = planes[std::ptrdiff_t{c} * to.width() + x];
            for (int c = to.channels(); c < to.padded(); ++c) pixel[c] = 0;
        }
    });
}

TileReport Runner::store(const Tensor& from, const Rect& part, const MutableImageView& out) {
    std::atomic<bool> finite{true};
    parallel(part.height, [&](std::int64_t row, Scratch& scratch) {
        const int y = static_cast<int>(row);
        float* const planes = scratch.floats(std::int64_t{from.channels()} * part.width);
        bool all = true;
        for (int x = 0; x < part.width; ++x) {
            const float* const pixel = from.pixel(part.y + y, part.x + x);
            for (int c = 0; c < from.channels(); ++c) {
                all = all && std::isfinite(pixel[c]);
                planes[std::ptrdiff_t{c} * part.width + x] = pixel[c];
            }
        }
        reference::store_planes(planes, {part.width, 1}, {0, 0, part.width, 1}, out.part({0, y, part.width, 1}));
        if (!all) finite.store(false, std::memory_order_relaxed);
    });
    return {finite.load()};
}

template <class Body>
void Runner::timed(const char* name, const Body& body) {
    if (!timed_) return body();
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
    times_[name] += spent.count();
}

void Runner::compute(const Step& step, Size continued) {
    if (node(step.operation).is<op::Input>()) return;
    timed(node(step.operation).name().data(), [&] { compute_now(step, continued); });
}

void Runner::compute_all(std::size_t first, std::size_t end, Size continued) {
    if (end - first == 1) return compute(network_->steps[first], continued);
    timed("pixel by pixel", [&] { compute_together(first, end, continued); });
}

void Runner::time_stages(bool on) {
    timed_ = on;
    times_.clear();
}

std::vector<StageTime> Runner::stage_times() const {
    std::vector<StageTime> all;
    for (const auto& [name, milliseconds] : times_) all.push_back({name, milliseconds});
    std::sort(all.begin(), all.end(), [](const StageTime& a, const StageTime& b) { return a.milliseconds > b.milliseconds; });
    return all;
}

void Runner::compute_now(const Step& step, Size continued) {
    Compute compute{*this, step, tensors_[static_cast<std::size_t>(step.node)], {}, continued};
    for (const int from : step.inputs) compute.in.push_back(tensors_[static_cast<std::size_t>(from)]);
    clear_borders(compute.out);
    if (step.convolution) return compute.convolve();
    if (step.plain) return compute_plainly(step, continued);
    std::visit([&](const auto& op) { compute(op); }, node(step.operation).op);
}

void Runner::compute_plainly(const Step& step, Size continued) {
    std::vector<reference::Tensor> copies;
    for (const int from : step.inputs) copies.push_back(as_reference(tensors_[static_cast<std::size_t>(from)]));
    std::vector<const reference::Tensor*> in;
    for (const reference::Tensor& copy : copies) in.push_back(&copy);
    const Tensor& out = tensors_[static_cast<std::size_t>(step.node)];
    reference::Tensor result(out.layout->sides);
    reference::run_node(node(step.operation), in, continued, result, pool_);
    from_reference(result.values.data(), out);
}

}  // namespace enlarge::cpu::tensors
