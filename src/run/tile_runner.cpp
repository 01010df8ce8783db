// SPDX-License-Identifier: Apache-2.0
#include "run/tile_runner.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <new>
#include <string>

#include "backend/own_size.hpp"
#include "base/log.hpp"
#include "graph/hash.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"
#include "run/symmetry.hpp"

namespace enlarge {
namespace {

// A view of `size` on memory that is made larger when it is too small.
MutableImageView view_on(AlignedBuffer<std::byte>& memory, Size size, const PixelFormat& format) {
    const int pixel = sample_bytes(format.sample) * (format.planar ? 1 : format.channels);
    const std::size_t stride = (static_cast<std::size_t>(size.width) * static_cast<std::size_t>(pixel) + kAlignment - 1) /
                               kAlignment * kAlignment;
    const std::size_t plane = stride * static_cast<std::size_t>(size.height);
    const auto planes = static_cast<std::size_t>(plane_count(format));
    if (memory.size() < plane * planes) {
        memory = {};  // freed first: old and new need not fit at the same time
        memory = AlignedBuffer<std::byte>(plane * planes);
    }
    MutableImageView view{format, size, {}, {}};
    for (std::size_t p = 0; p < planes; ++p) {
        view.plane[p] = memory.data() + p * plane;
        view.stride_bytes[p] = static_cast<std::ptrdiff_t>(stride);
    }
    return view;
}

std::string describe(const Rect& core) {
    return std::to_string(core.width) + "x" + std::to_string(core.height) + " pixels at " + std::to_string(core.x) +
           "," + std::to_string(core.y);
}

}  // namespace

NetworkEngine::NetworkEngine(std::shared_ptr<const Graph> graph, const Backend& backend, const CompileOptions& options,
               std::shared_ptr<const Program> program)
    : graph_(std::move(graph)), backend_(backend), options_(options), program_(std::move(program)) {}

std::string NetworkEngine::graph_hash() const {
    const GraphHash sum = hash(*graph_);
    char text[40];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(sum.high),
                  static_cast<unsigned long long>(sum.low));
    return text;
}

Result<const Program*> NetworkEngine::fallback(int level) {
    const std::lock_guard lock(mutex_);
    CompileOptions exact = options_;
    exact.precision = Precision::fp32;
    if (level == 0) {
        if (info().precision == Precision::fp32) return static_cast<const Program*>(nullptr);
        if (!exact_) {
            TRY(exact_, compile(backend_, *graph_, exact));
        }
        return static_cast<const Program*>(exact_.get());
    }
    if (backend_.kind() == DeviceKind::reference) return static_cast<const Program*>(nullptr);
    if (!reference_) {
        TRY(const Backend* reference, choose_backend("reference"));
        exact.device = 0;
        TRY(reference_, compile(*reference, *graph_, exact));
    }
    return static_cast<const Program*>(reference_.get());
}

Result<std::shared_ptr<NetworkEngine>> NetworkEngine::exact() {
    if (options_.precision != Precision::automatic) return std::shared_ptr<NetworkEngine>();
    TRY(const Program* const program, fallback(0));
    if (!program) return std::shared_ptr<NetworkEngine>();
    const std::lock_guard lock(mutex_);
    if (!exact_engine_) {
        CompileOptions options = options_;
        options.precision = Precision::fp32;
        exact_engine_ = std::make_shared<NetworkEngine>(graph_, backend_, options, exact_);
    }
    return exact_engine_;
}

TileRunner::TileRunner(NetworkEngine& engine, int halo, bool tta) : engine_(engine), tta_(tta) {
    rules_.halo = halo;
    // Both the network's own grid and whole blocks of pixel_unshuffle.
    rules_.alignment = engine.info().alignment;
    while (rules_.alignment % engine.info().size_multiple) rules_.alignment += engine.info().alignment;
}

std::int64_t TileRunner::extra_bytes(Size tile, int sample_bytes) const {
    const std::int64_t pixels = std::int64_t{tile.width} * tile.height * engine_.info().channels;
    const int s = engine_.info().scale;
    const std::int64_t out = pixels * s * s * 4;
    return (tta_ ? pixels * sample_bytes + out : 0) + (engine_.info().size_multiple > 1 ? out : 0);
}

void TileRunner::release() {
    session_.reset();
    turned_in_ = {};
    turned_out_ = {};
    blocks_out_ = {};
}

Result<void> TileRunner::run(const Band& band, const Rect& core, const MutableImageView& out,
                             const std::function<bool(double)>& progress) {
    try {
        auto result = attempt(band, core, out, progress);
        if (result || result.error().code != Errc::memory) return result;
    } catch (const std::bad_alloc&) {
    }
    // Not enough memory for this tile: free all, and go on with two halves. The bits stay the same.
    release();
    const int a = rules_.alignment;
    const bool across = core.width >= core.height;
    const int length = across ? core.width : core.height;
    if (length <= a) return Error{Errc::memory, "not enough memory for a tile of " + describe(core)};
    log(LogLevel::notice, {"tile-reduced", "not enough memory for a tile of " + describe(core) + "; it is cut in two"});
    const int half = round_up((length + 1) / 2, a) < length ? round_up((length + 1) / 2, a) : length / 2;
    Rect first = core, second = core;
    (across ? first.width : first.height) = half;
    (across ? second.x : second.y) += half;
    (across ? second.width : second.height) -= half;
    const int s = engine_.info().scale;
    for (const Rect& part : {first, second})
        TRY(run(band, part, out.part({(part.x - core.x) * s, (part.y - core.y) * s, part.width * s, part.height * s}),
                progress));
    return {};
}

Result<void> TileRunner::attempt(const Band& band, const Rect& core, const MutableImageView& out,
                                 const std::function<bool(double)>& progress) {
    const Rect in = tile_input(core, rules_, band.picture);
    ENSURE(in.y >= band.top && in.bottom() <= band.top + band.view.size.height);
    const ImageView tile = band.view.part({in.x, in.y - band.top, in.width, in.height});
    continued_ = {};
    if (band.real.width > 0 && !tta_)
        continued_ = {std::max(0, in.right() - band.real.width), std::max(0, in.bottom() - band.real.height)};
    const Rect inner{core.x - in.x, core.y - in.y, core.width, core.height};
    if (!session_) {
        TRY(session_, engine_.program().session());
    }
    const auto start = std::chrono::steady_clock::now();
    auto result = tta_ ? average(tile, inner, out, progress) : single(tile, inner, out, progress);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    counts_.seconds += spent.count();
    if (!result) {
        if (result.error().code == Errc::numeric) return std::move(result).error().within(describe(core));
        return result;
    }
    ++counts_.tiles;
    return {};
}

// The mean over the symmetries, summed in their order: the same bits whatever the tile.
Result<void> TileRunner::average(const ImageView& in, const Rect& core, const MutableImageView& out,
                                 const std::function<bool(double)>& progress) {
    const int scale = engine_.info().scale;
    for (Symmetry s = 0; s < kSymmetries; ++s) {
        const MutableImageView turned_in = view_on(turned_in_, turned(in.size, s), in.format);
        turn(in, s, turned_in);
        const Rect turned_core = turned(core, in.size, s);
        const MutableImageView turned_out = view_on(
            turned_out_, {turned_core.width * scale, turned_core.height * scale}, out.format);
        const std::function<bool(double)> part = [&progress, s](double done) {
            return progress((s + done) / kSymmetries);
        };
        TRY(single(turned_in, turned_core, turned_out, progress ? part : progress));
        turn_back(turned_out, s, s > 0, s == kSymmetries - 1 ? 1.0F / kSymmetries : 1.0F, out);
    }
    return {};
}

Result<void> TileRunner::single(const ImageView& in, const Rect& core, const MutableImageView& out,
                                const std::function<bool(double)>& progress) {
    TRY(const TileReport report, run_session(*session_, in, core, out, progress));
    if (!report.finite) TRY(recompute(in, core, out));
    return {};
}

// Networks with pixel_unshuffle give whole blocks: where a picture ends inside one, the rest is thrown away.
Result<TileReport> TileRunner::run_session(Session& session, const ImageView& in, const Rect& core,
                                           const MutableImageView& out, const std::function<bool(double)>& progress) {
    const int unit = engine_.info().size_multiple, s = engine_.info().scale;
    const int x = core.x / unit * unit, y = core.y / unit * unit;
    const Rect blocks{x, y, round_up(core.right(), unit) - x, round_up(core.bottom(), unit) - y};
    TileJob job{in, blocks, out};
    if (!(blocks == core)) job.out = view_on(blocks_out_, {blocks.width * s, blocks.height * s}, out.format);
    job.continued = continued_;
    job.memory_bytes = memory_bytes_;
    job.progress = progress ? &progress : nullptr;
    TRY(const TileReport report, session.run(job));
    if (!(blocks == core))
        copy_pixels(ImageView(job.out).part({(core.x - x) * s, (core.y - y) * s, core.width * s, core.height * s}), out);
    return report;
}

Result<void> TileRunner::recompute(const ImageView& in, const Rect& core, const MutableImageView& out) {
    ++counts_.recomputed;
    for (int level = 0; level < 2; ++level) {
        TRY(const Program* program, engine_.fallback(level));
        if (!program) continue;
        log(LogLevel::debug, "a tile overflowed; computed again by " + program->info().description);
        TRY(const auto session, program->session());
        TRY(const TileReport report, run_session(*session, in, core, out, {}));
        if (report.finite) return {};
    }
    return Error{Errc::numeric, "the network's result is not a number or infinite even in full precision"};
}

}  // namespace enlarge
