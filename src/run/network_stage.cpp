// SPDX-License-Identifier: Apache-2.0
#include "run/network_stage.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/at.hpp"
#include "base/log.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"
#include "tile/tile_plan.hpp"

namespace enlarge {
namespace {

bool has_alpha(const PixelFormat& format) { return format.channels == 2 || format.channels == 4; }

// `channels` planes of `view` as a picture of their own, beginning with plane `first`; one plane serves several times
// when `repeat` is set.
ImageView planes(const ImageView& view, int first, int channels, bool repeat) {
    ImageView part = view;
    part.format.channels = static_cast<std::uint8_t>(channels);
    part.format.planar = true;
    for (int c = 0; c < channels; ++c) {
        const int from = repeat ? first : first + c;
        at(part.plane, c) = at(view.plane, from);
        at(part.stride_bytes, c) = at(view.stride_bytes, from);
    }
    return part;
}

MutableImageView planes(const MutableImageView& view, int first, int channels) {
    MutableImageView part = view;
    part.format.channels = static_cast<std::uint8_t>(channels);
    for (int c = 0; c < channels; ++c) {
        at(part.plane, c) = at(view.plane, first + c);
        at(part.stride_bytes, c) = at(view.stride_bytes, first + c);
    }
    return part;
}

void clamp01(const MutableImageView& view) {
    for (int p = 0; p < view.format.channels; ++p)
        for (int y = 0; y < view.size.height; ++y) {
            auto* row = reinterpret_cast<float*>(view.row(p, y));
            for (int x = 0; x < view.size.width; ++x) row[x] = std::clamp(row[x], 0.0F, 1.0F);
        }
}

void clear(const MutableImageView& view) {
    const int pixel = sample_bytes(view.format.sample) * (view.format.planar ? 1 : view.format.channels);
    for (int p = 0; p < plane_count(view.format); ++p)
        for (int y = 0; y < view.size.height; ++y) std::memset(view.row(p, y), 0, static_cast<std::size_t>(view.size.width) * static_cast<std::size_t>(pixel));
}

// Residual dense networks see up to 348 pixels far, and blocks of Winograd make that 1390 for bits that do not depend on
// the tiling; what lies beyond a few dozen pixels does not show (docs/numerics.md has the measurements). All others always
// get all they see, those with dense blocks and attention too.
// In pixels of the network's own resolution, behind pixel_unshuffle.
constexpr int kDeepHalo = 64;
constexpr std::size_t kDense = 5;  // what the last layer of a dense block sees: the block's input and four results

bool is_deep(const Graph& graph) {
    const auto& nodes = graph.nodes();
    const auto radius = graph.receptive_radius();
    const auto dense = [](const Node& node) { return node.is<op::Concat>() && node.inputs.size() == kDense; };
    const auto attends = [](const Node& node) { return node.is<op::WindowAttention>() || node.is<op::OverlapAttention>(); };
    return radius && *radius > kDeepHalo * graph.size_multiple() && std::any_of(nodes.begin(), nodes.end(), dense) &&
           std::none_of(nodes.begin(), nodes.end(), attends);
}

// What the network gets: whole multiples, and more than the picture where it always wants more.
Size continued(const NetworkEngine& engine, Size picture) {
    const int spare = engine.graph().spare();
    return round_up({picture.width + spare, picture.height + spare}, engine.info().size_multiple);
}

// Networks whose maps become smaller on the way need pictures of some size. The backends say so of what they get; here
// it is said of the picture as it came.
Result<void> check_least_size(const NetworkEngine& engine, Size picture) {
    constexpr int kLargestLeast = 1024;
    const Graph& graph = engine.graph();
    const auto fits = [&](Size size) {
        const Size padded = continued(engine, size);
        return std::all_of(graph.nodes().begin(), graph.nodes().end(),
                           [&](const Node& node) { return at(node, padded).has_value(); });
    };
    if (std::min(picture.width, picture.height) >= kLargestLeast || fits(picture)) return {};
    int least = 1;
    while (least < kLargestLeast && !fits({least, least})) ++least;
    if (least == kLargestLeast) return {};
    return Error{Errc::limit, "a picture of " + describe(picture) + "; this network computes at least " +
                                  std::to_string(least) + " pixels a side"};
}

}  // namespace

bool tiles_are_exact(const Graph& graph) { return !is_deep(graph); }

Result<StagePlan> NetworkStage::plan(NetworkEngine& engine, const StageInput& in, const StageOptions& options) {
    const ProgramInfo& info = engine.info();
    int halo = std::max(info.halo, has_alpha(in.format) ? std::max(kAlphaReach, AlphaFilter::kReach) : 0);
    const TileRunner probe(engine, halo, options.tta);
    const Size padded = continued(engine, in.size);
    const int s = info.scale, longest = engine.graph().longest_side();
    if (longest > 0 && std::max(in.size.width, in.size.height) > longest)
        return Error{Errc::limit, "a picture of " + describe(in.size) + "; this network computes at most " +
                                      std::to_string(longest) + " pixels a side"};
    TRY(check_least_size(engine, in.size));
    if (engine.graph().expects_multiples() && padded != in.size)
        log(LogLevel::notice, {"picture-continued", "the network's file is for sides that are multiples of " +
                                                        std::to_string(info.size_multiple) + ": the picture of " +
                                                        describe(in.size) + " is continued by reflection, " +
                                                        "which its own program does not do"});
    if (const auto own = engine.graph().own_size(); own && in.size != *own) {
        const bool smaller = in.size.width < own->width || in.size.height < own->height;
        log(LogLevel::notice,
            {"tiles-of-one-size", "the network's file is for pictures of " + describe(*own) +
                                      " alone: the picture of " + describe(in.size) +
                                      " is computed in tiles of that size" +
                                      (smaller ? ", continued to it by reflection" : "")});
    }
    const bool is_direct = direct(in.format, info.channels, options.tta);
    const bool buffered = !(in.whole && padded == in.size);

    TileRequest request;
    request.picture = padded;
    request.halo = halo;
    request.alignment = probe.rules().alignment;
    // Each tile of a network that reads the whole picture would be all the work.
    if (info.halo != kWholePicture) request.max_core = options.max_core;
    request.memory_bytes = options.memory_bytes;
    if (buffered) request.row_in_bytes = RowWindow::row_bytes(padded.width, in.format);
    if (!options.whole_output)
        request.row_out_bytes = RowWindow::row_bytes(in.size.width, options.out_format) * s * s;
    const auto around = [&](Size tile) {
        const std::int64_t scratch = is_direct ? 0 : std::int64_t{tile.width} * tile.height * s * s * info.channels * 4;
        return probe.extra_bytes(tile, sample_bytes(in.format.sample)) + scratch;
    };
    request.tile_bytes = [&](Size tile) { return engine.program().memory_bytes(tile) + around(tile); };
    auto exact = plan_tiles(request);
    std::int64_t network_bytes = 0;
    if (!exact && info.halo == kWholePicture) {  // slower, but within the limit
        const std::int64_t least = engine.program().least_memory_bytes(padded);
        request.tile_bytes = [&](Size tile) { return least + around(tile); };
        exact = plan_tiles(request);
        if (exact) {
            network_bytes = least + options.memory_bytes - exact->bytes;
            exact->bytes = options.memory_bytes;
        }
    }
    const int deep_halo = kDeepHalo * engine.graph().size_multiple();
    if (is_deep(engine.graph()) && halo > deep_halo && !(exact && exact->core == padded)) {
        request.halo = halo = deep_halo;
        exact = plan_tiles(request);
        log(LogLevel::info, "tiles overlap by " + std::to_string(deep_halo) + " pixels; the network sees " +
                                std::to_string(engine.graph().receptive_radius().value_or(0)));
    }
    TRY(const TilePlan tiles, std::move(exact));
    return StagePlan{tiles.core, halo, tiles.bytes, network_bytes};
}

Result<std::unique_ptr<NetworkStage>> NetworkStage::create(NetworkEngine& engine, RowStage& stage,
                                                           const StageOptions& options) {
    const int channels = engine.info().channels;
    ENSURE(channels == 1 || channels == 3 || channels == 4);
    TRY(const StagePlan planned, plan(engine, {stage.size(), stage.format(), stage.whole() != nullptr}, options));
    std::unique_ptr<NetworkStage> made(new NetworkStage(engine, stage, options, planned.halo, planned.core));
    made->runner_.limit_memory(planned.network_bytes);
    return made;
}

NetworkStage::NetworkStage(NetworkEngine& engine, RowStage& stage, const StageOptions& options, int halo, Size core)
    : engine_(engine),
      stage_(stage),
      options_(options),
      size_{stage.size().width * engine.info().scale, stage.size().height * engine.info().scale},
      padded_(continued(engine, stage.size())),
      core_(core),
      runner_(engine, halo, options.tta),
      grid_(stage.size(), core),
      window_(stage, padded_, std::min(padded_.height, core.height + 2 * (halo + 2 * runner_.rules().alignment)),
              engine.graph().continuation()) {
    const int s = engine.info().scale;
    const Rect largest = grid_.core(0, 0);
    if (!options.whole_output) band_ = Image({size_.width, largest.height * s}, options.out_format);
    if (options_.wanted) clear(band_.view());
    if (!direct(stage.format(), engine.info().channels, options.tta))
        scratch_ = Image({largest.width * s, largest.height * s},
                         {SampleType::f32, 32, static_cast<std::uint8_t>(engine.info().channels), true});
    const bool own_alpha = engine.info().channels == 4;
    if (has_alpha(stage.format()) && !own_alpha && options.alpha == AlphaMode::lanczos)
        alpha_filter_.emplace(stage.size(), s);
    if (own_alpha && !has_alpha(stage.format())) {
        opaque_ = Image({padded_.width, 1}, {stage.format().sample, stage.format().bits, 1, true});
        const std::vector<float> ones(static_cast<std::size_t>(padded_.width), 1.0F);
        store_row(ones.data(), opaque_.view(), 0, 0);
    }
    tile_progress_ = [this](double done) { return !progress_ || progress_(done_ + done * tile_pixels_); };
}

void NetworkStage::restart() {
    row_ = 0;
    done_ = 0;
    window_.restart();
    runner_.reset_counts();
}

bool NetworkStage::is_wanted(const Rect& core) const {
    if (!options_.wanted) return true;
    const Rect& w = *options_.wanted;
    return core.x < w.right() && w.x < core.right() && core.y < w.bottom() && w.y < core.bottom();
}

double NetworkStage::work() const {
    double pixels = 0;
    for (int row = 0; row < grid_.rows(); ++row)
        for (int column = 0; column < grid_.columns(); ++column)
            if (const Rect core = grid_.core(column, row); is_wanted(core)) pixels += static_cast<double>(core.width) * core.height;
    return pixels;
}

Result<ImageView> NetworkStage::next() {
    ENSURE(row_ < grid_.rows());
    const int s = engine_.info().scale;
    const Rect first = grid_.core(0, row_);
    const Rect read = tile_input({0, first.y, size_.width / s, first.height}, runner_.rules(), padded_);
    TRY(const ImageView rows, window_.rows(read.y, read.bottom()));
    MutableImageView out = options_.whole_output
                               ? target_.part({0, first.y * s, size_.width, first.height * s})
                               : band_.view().part({0, 0, size_.width, first.height * s});
    for (int column = 0; column < grid_.columns(); ++column) {
        const Rect core = grid_.core(column, row_);
        if (!is_wanted(core)) continue;
        tile_pixels_ = static_cast<double>(core.width) * core.height;
        TRY(tile(rows, read.y, core, out.part({core.x * s, 0, core.width * s, core.height * s})));
        done_ += tile_pixels_;
        if (progress_ && !progress_(done_)) return Error{Errc::cancelled, "cancelled"};
    }
    if (options_.clamp) clamp01(out);
    ++row_;
    return ImageView(out);
}

Result<void> NetworkStage::tile(const ImageView& rows, int top, const Rect& core, const MutableImageView& out) {
    const int model = engine_.info().channels, channels = rows.format.channels;
    const bool alpha = has_alpha(rows.format);
    const int colours = channels - (alpha ? 1 : 0);
    if (channels == model) return runner_.run({rows, top, padded_, stage_.size()}, core, out, tile_progress_);
    if (model == 4) return with_alpha(rows, top, core, out);
    if (colours == model) {
        TRY(runner_.run({planes(rows, 0, colours, false), top, padded_, stage_.size()}, core, planes(out, 0, colours), tile_progress_));
    } else {  // grey through a colour network, or each colour through a grey one
        for (int c = 0; c < colours; ++c)
            TRY(grey({planes(rows, c, model, true), top, padded_, stage_.size()}, core, planes(out, c, 1)));
    }
    if (!alpha) return {};
    const ImageView a = planes(rows, colours, 1, true);
    if (alpha_filter_) {
        alpha_filter_->run(a, top, core, out, colours);
        return {};
    }
    // The network runs only where there is something to compute; elsewhere the result would be overwritten anyway.
    if (keep_constant_alpha(a, top, stage_.size(), core, engine_.info().scale, out, colours)) return {};
    TRY(grey({planes(rows, colours, model, true), top, padded_, stage_.size()}, core, planes(out, colours, 1)));
    keep_constant_alpha(a, top, stage_.size(), core, engine_.info().scale, out, colours);
    return {};
}

// A picture without colours or without alpha through a network for RGBA, which has its own ways with alpha: grey is R =
// G = B, and what has no alpha is opaque.
Result<void> NetworkStage::with_alpha(const ImageView& rows, int top, const Rect& core, const MutableImageView& out) {
    const int channels = rows.format.channels;
    const bool alpha = has_alpha(rows.format);
    const int colours = channels - (alpha ? 1 : 0);
    ImageView in = planes(rows, 0, 3, colours == 1);
    in.format.channels = 4;
    in.plane[3] = alpha ? at(rows.plane, colours) : opaque_.view().plane[0];
    in.stride_bytes[3] = alpha ? at(rows.stride_bytes, colours) : 0;  // one row for all
    const MutableImageView result = scratch_.view().part({0, 0, out.size.width, out.size.height});
    TRY(runner_.run({in, top, padded_, stage_.size()}, core, result, tile_progress_));
    if (colours == 1) {
        luma(result, planes(out, 0, 1));
    } else {
        copy_pixels(ImageView(planes(result, 0, 3)), planes(out, 0, 3));
    }
    if (alpha) copy_pixels(ImageView(planes(result, 3, 1)), planes(out, colours, 1));
    return {};
}

// One plane, given as `model` equal channels; the result's luma is what counts.
Result<void> NetworkStage::grey(const Band& band, const Rect& core, const MutableImageView& out) {
    if (engine_.info().channels == 1) return runner_.run(band, core, out, tile_progress_);
    const MutableImageView rgb = scratch_.view().part({0, 0, out.size.width, out.size.height});
    TRY(runner_.run(band, core, rgb, tile_progress_));
    luma(rgb, out);
    return {};
}

}  // namespace enlarge
