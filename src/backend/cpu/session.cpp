// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/session.hpp"

#include <algorithm>
#include <string>

#include "backend/cpu/stopwatch.hpp"
#include "tile/tile.hpp"

namespace enlarge::cpu {
namespace {

// V and M of one thread: with the weights of a few positions they share a second-level cache of 512 KiB. Processors
// with AMX have 2 MiB, where all weights of most layers have place beside them.
constexpr int kScratchBytes = 320 << 10;
constexpr int kTermScratchBytes = 640 << 10;

struct ScratchSizes {
    std::size_t products = 0, end = 0, line = 0;
};

ScratchSizes scratch_sizes(const LoweredNetwork& network, const KernelTable& kernels) {
    ScratchSizes sizes;
    sizes.line = 4096;
    for (const Step& step : network.steps) {
        if (step.kind != Kind::winograd) {
            if (step.output < 0) {
                const int made = step.kind == Kind::store ? step.shuffle * step.shuffle * step.image_channels : step.out_channels;
                sizes.end = std::max(sizes.end, std::size_t{kEndPixels} * static_cast<std::size_t>(made) * 4);
            }
            continue;
        }
        const int in = network.tensors[static_cast<std::size_t>(step.inputs[0].tensor)].channels();
        const BlockSizes here = block_sizes(in, step.groups, step.integer ? 2 : 4, step.terms, step.block, kernels);
        sizes.products = std::max(sizes.products, here.bytes);
        if (step.output < 0)
            sizes.end = std::max(sizes.end, static_cast<std::size_t>(here.blocks * step.block * step.block) *
                                                static_cast<std::size_t>(step.out_channels) * 4);
    }
    for (const Step& step : network.steps)
        if (step.output < 0)
            sizes.line = std::max(sizes.line, static_cast<std::size_t>(step.shuffle * step.image_channels) * 4 * kEndPixels * 2);
    return sizes;
}

// Positions are kept a cache line apart from powers of two: transforms write all of them at once.
std::size_t position_stride(std::size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    return bytes % 512 < 64 || bytes % 512 > 448 ? bytes + 64 : bytes;
}

// Of a step that packs its weights when it runs.
WinogradWeights weights_of(const Step& step) {
    return {step.groups,      step.unpacked->data(), step.unpacked_channels,
            step.unpacked_in, step.unpacked_out,     step.terms,
            step.block};
}

}  // namespace

BlockSizes block_sizes(int channels, const std::vector<Group>& groups, int value_bytes, int terms, int block,
                       const KernelTable& kernels) {
    BlockSizes sizes;
    sizes.all = {0, groups.back().channel / kernels.lanes + groups.back().blocks, groups.front().weights};
    sizes.together = are_together(groups, terms);
    int widest = 0;
    for (const Group& group : sizes.in_turn(groups)) widest = std::max(widest, group.blocks * kernels.lanes);
    sizes.v_row = terms > 0 ? term_row(channels, terms) : channels;
    int v_bytes = static_cast<int>(sizes.v_row) * (terms > 0 ? static_cast<int>(sizeof(BFloat)) : value_bytes);
    int m_bytes = widest * 4;
    if (sizes.together) v_bytes = m_bytes = std::max(v_bytes, m_bytes);
    const int positions = positions_of(block), multiple = terms > 0 ? 2 * kTermRows : kernels.tile_multiple;
    const int block_bytes = sizes.together ? (positions + 1) * v_bytes : positions * (v_bytes + m_bytes);
    const int fit = (terms > 0 ? kTermScratchBytes : kScratchBytes) / block_bytes / multiple * multiple;
    sizes.blocks = std::clamp(fit, multiple, kMostBlocks);
    sizes.v_position = position_stride(static_cast<std::size_t>(sizes.blocks * v_bytes));
    sizes.m_position = position_stride(static_cast<std::size_t>(sizes.blocks * m_bytes));
    const auto count = static_cast<std::size_t>(positions);
    sizes.v = sizes.together ? sizes.v_position : 0;
    sizes.m = sizes.together ? 0 : count * sizes.v_position;
    sizes.bytes = sizes.v + count * sizes.v_position + (sizes.together ? 0 : count * sizes.m_position);
    return sizes;
}

TermProduct winograd_product(int channels, int terms, int block, const BFloat* v, std::ptrdiff_t v_position, int blocks,
                             const BFloat* w, int group, float* m, std::ptrdiff_t m_position,
                             const KernelTable& kernels) {
    TermProduct p;
    p.group = group <= kMaxGroup ? group : 2;
    p.groups = group / p.group;
    p.a = v;
    p.a_stride = term_row(channels, terms);
    p.a_position = v_position;
    p.w = w;
    p.w_group = p.a_stride * p.group * kernels.lanes;
    p.w_position = p.groups * p.w_group;
    p.m = m;
    p.m_stride = std::ptrdiff_t{group} * kernels.lanes;
    p.m_position = m_position;
    p.positions = positions_of(block);
    p.rows = blocks;
    p.channels = round_up(channels, kTermBlock);
    p.terms = terms;
    return p;
}

std::size_t scratch_bytes(const LoweredNetwork& network, const KernelTable& kernels) {
    const ScratchSizes sizes = scratch_sizes(network, kernels);
    return sizes.products + sizes.end + sizes.line;
}

std::size_t shared_scratch_bytes(const LoweredNetwork& network) { return 2 * network.unpacked_bytes; }

Runner::Runner(std::shared_ptr<const LoweredNetwork> network, const KernelTable& kernels, ThreadPool* pool)
    : network_(std::move(network)),
      kernels_(kernels),
      pool_(pool),
      work_queue_(pool ? pool->size() : 1),
      scratch_(static_cast<std::size_t>(work_queue_.parts())) {
    const ScratchSizes sizes = scratch_sizes(*network_, kernels_);
    for (Scratch& scratch : scratch_) {
        scratch.products = Block(sizes.products);
        scratch.end = Block(sizes.end);
        scratch.line = Block(sizes.line);
    }
    for (Block& packed : packed_) packed = Block(network_->unpacked_bytes);
}

Result<TileReport> Runner::run(const TileJob& job) {
    const Size in = job.in.size;
    const Rect& core = job.core;
    const int multiple = network_->size_multiple;
    if (in.width < 1 || in.height < 1 || in.width % multiple || in.height % multiple)
        return Error{Errc::argument, "a tile of " + std::to_string(in.width) + "x" + std::to_string(in.height) +
                                         "; sides must be positive multiples of " + std::to_string(multiple)};
    ENSURE(core.x >= 0 && core.y >= 0 && core.width > 0 && core.height > 0);
    ENSURE(core.right() <= in.width && core.bottom() <= in.height);
    ENSURE(core.x % multiple == 0 && core.y % multiple == 0 && core.width % multiple == 0 && core.height % multiple == 0);
    ENSURE(job.out.size.width == core.width * network_->scale && job.out.size.height == core.height * network_->scale);
    ENSURE(job.in.format.channels == network_->in_channels && job.out.format.channels == network_->out_channels);

    if (!schedule_.fits(in, core)) {
        schedule_.plan(*network_, in, core, work_queue_.parts(), false);
        plan_packs();
    }
    finite_.store(true, std::memory_order_relaxed);
    cancelled_.store(false, std::memory_order_relaxed);
    work_queue_.start(static_cast<int>(schedule_.tasks().size()), [this](int task, int part) { return pieces(task, part); });
    struct Call {  // of two words, so that std::function keeps them without the heap
        Runner* runner;
        const TileJob* job;
        void operator()(int index, int) const { runner->work(*job, index); }
    };
    const Call call{this, &job};
    if (pool_)
        pool_->parallel(call);
    else
        call(0, 1);
    return report();
}

Result<TileReport> Runner::report() const {
    if (cancelled_.load(std::memory_order_relaxed)) return Error{Errc::cancelled, "stopped"};
    return TileReport{finite_.load(std::memory_order_relaxed)};
}

void Runner::time_stages(bool on) {
    timing_ = on;
    for (Scratch& scratch : scratch_) scratch.times = {};
}

std::vector<StageTime> Runner::stage_times() const {
    constexpr std::pair<const char*, std::int64_t ThreadTimes::*> kStages[] = {
        {"load", &ThreadTimes::load},     {"weights", &ThreadTimes::weights}, {"transform", &ThreadTimes::input},
        {"products", &ThreadTimes::products},
        {"back", &ThreadTimes::output},   {"direct", &ThreadTimes::direct},   {"other", &ThreadTimes::map},
        {"picture", &ThreadTimes::picture}, {"wait", &ThreadTimes::wait}};
    std::vector<StageTime> all;
    for (const auto& [name, member] : kStages) {
        std::int64_t sum = 0;
        for (const Scratch& scratch : scratch_) sum += scratch.times.*member;
        all.push_back({name, static_cast<double>(sum) * 1e-6 / static_cast<double>(scratch_.size())});
    }
    return all;
}

TransformAbsMax Runner::transform_abs_max() const {
    TransformAbsMax all(network_->steps.size());
    for (const Scratch& scratch : scratch_)
        for (std::size_t s = 0; s < scratch.transform_abs_max.size(); ++s) {
            const std::vector<float>& mine = scratch.transform_abs_max[s];
            all[s].resize(std::max(all[s].size(), mine.size()), 0.0F);
            for (std::size_t i = 0; i < mine.size(); ++i) all[s][i] = std::max(all[s][i], mine[i]);
        }
    return all;
}

// A thread's own part of a task: columns for each as long as they last, in whole blocks; then rows too. It has the same
// columns in every step.
Runner::Share Runner::share(const Task& task, int part) const {
    const Step& step = network_->steps[static_cast<std::size_t>(task.step)];
    const int count = work_queue_.parts();
    const Range columns = schedule_.columns(task.step);
    const int unit_x = step.block, unit_y = step.align;
    const int across = (columns.size() + unit_x - 1) / unit_x, down = (task.rows.size() + unit_y - 1) / unit_y;
    int best_x = 1, best = 1 << 30;
    for (int nx = count; nx >= 1; --nx) {
        if (count % nx) continue;
        const int ny = count / nx;
        const int most = ((across + nx - 1) / nx) * ((down + ny - 1) / ny);
        if (most < best) {
            best = most;
            best_x = nx;
        }
    }
    const int ny = count / best_x, ix = part % best_x, iy = part / best_x;
    const auto cut = [](int n, int i, int parts) { return static_cast<int>(std::int64_t{n} * i / parts); };
    Share share;
    share.columns = {columns.begin + cut(across, ix, best_x) * unit_x,
                     std::min(columns.begin + cut(across, ix + 1, best_x) * unit_x, columns.end)};
    share.rows = {task.rows.begin + cut(down, iy, ny) * unit_y,
                  std::min(task.rows.begin + cut(down, iy + 1, ny) * unit_y, task.rows.end)};
    return share;
}

BlockSizes Runner::block_sizes_of(const Step& step) const {
    return block_sizes(tensor(step.inputs[0].tensor).channels(), step.groups, step.integer ? 2 : 4, step.terms,
                       step.block, kernels_);
}

// Winograd blocks that are computed together anyway, or a few rows: a tenth of a millisecond at most.
Runner::Cut Runner::cut(const Task& task, const Share& share) const {
    if (share.rows.size() <= 0 || share.columns.size() <= 0) return {};
    const Step& step = network_->steps[static_cast<std::size_t>(task.step)];
    const auto pieces = [](int n, int unit) { return Cut{(n + unit - 1) / unit, unit}; };
    if (step.kind != Kind::winograd) return pieces(share.rows.size(), step.kind == Kind::direct ? 1 : 4);
    const auto blocks = [&](int pixels) { return (pixels + step.block - 1) / step.block; };
    return pieces(blocks(share.columns.size()) * blocks(share.rows.size()), block_sizes_of(step).blocks);
}

int Runner::pieces(int task, int part) const {
    const Task& t = schedule_.tasks()[static_cast<std::size_t>(task)];
    return packs(task, part) + cut(t, share(t, part)).pieces;
}

// While a task runs, the next one's weights are packed into the block that it does not read itself.
void Runner::plan_packs() {
    if (network_->unpacked_bytes == 0) return;
    const std::vector<Task>& tasks = schedule_.tasks();
    packs_.assign(tasks.size(), {});
    int held[2] = {-1, -1}, at = 0;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        const int step = tasks[t].step;
        if (!network_->steps[static_cast<std::size_t>(step)].unpacked) continue;
        if (held[at] != step) at = 1 - at;
        // There is a task before: the first one loads the picture.
        if (held[at] != step && t > 0) packs_[t - 1] = {step, at, packs_[t - 1].from};
        held[at] = step;
        packs_[t].from = at;
    }
}

// Pieces of packing come last in a part: they are taken last, where threads would wait.
int Runner::packs(int task, int part) const {
    if (packs_.empty() || packs_[static_cast<std::size_t>(task)].step < 0) return 0;
    const Step& step = network_->steps[static_cast<std::size_t>(packs_[static_cast<std::size_t>(task)].step)];
    const int all = static_cast<int>(pieces_to_pack(weights_of(step))), parts = work_queue_.parts();
    return (all - part + parts - 1) / parts;
}

void Runner::compute(const Context& context, int index, int part, int piece) {
    const Task& task = schedule_.tasks()[static_cast<std::size_t>(index)];
    const Step& step = network_->steps[static_cast<std::size_t>(task.step)];
    if (const int packing = packs(index, part); piece < packing) {
        const Stopwatch watch(timing_);
        const Packs& pack = packs_[static_cast<std::size_t>(index)];
        const Step& next = network_->steps[static_cast<std::size_t>(pack.step)];
        pack_piece(weights_of(next), kernels_, static_cast<std::size_t>(piece * work_queue_.parts() + part),
                   packed_[pack.to].as<std::byte>());
        watch.add(context.scratch->times.weights);
        return;
    }
    piece -= packs(index, part);
    Share mine = share(task, part);
    const Cut pieces = cut(task, mine);
    if (step.kind == Kind::winograd) {
        mine.blocks = {piece * pieces.unit, (piece + 1) * pieces.unit};
    } else {
        mine.rows.begin += piece * pieces.unit;
        mine.rows.end = std::min(mine.rows.begin + pieces.unit, mine.rows.end);
    }
    switch (step.kind) {
        case Kind::load: return load(context, step, mine);
        case Kind::direct: return direct(context, step, mine);
        case Kind::winograd:
            return winograd(context, step, mine, packs_.empty() ? 0 : packs_[static_cast<std::size_t>(index)].from);
        case Kind::map: return map(context, step, mine);
        case Kind::store: return store_rows(context, step, mine);
    }
}

// Tells how far it is, at most twenty times a second.
bool Runner::ask(const std::function<bool(double)>& progress, int task) {
    const auto now = std::chrono::steady_clock::now();
    if (now - asked_ < std::chrono::milliseconds(50)) return true;
    asked_ = now;
    return progress(static_cast<double>(task + 1) / static_cast<double>(schedule_.tasks().size()));
}

void Runner::work(const TileJob& job, int index) {
    const Context context{&job, &scratch_[static_cast<std::size_t>(index)]};
    work_queue_.run(
        index, [this](int task, int part) { return pieces(task, part); },
        [&](int task, int part, int piece) {
            compute(context, task, part, piece);
            if (index == 0 && job.progress && !ask(*job.progress, task)) cancelled_.store(true, std::memory_order_relaxed);
        },
        [this] { return cancelled_.load(std::memory_order_relaxed); },
        [&](const auto& wait) {
            const Stopwatch watch(timing_);
            wait();
            watch.add(context.scratch->times.wait);
        });
}

}  // namespace enlarge::cpu
