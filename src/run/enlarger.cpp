// SPDX-License-Identifier: Apache-2.0
#include "run/enlarger.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "backend/own_size.hpp"
#include "base/at.hpp"
#include "base/cpu.hpp"
#include "base/log.hpp"
#include "image/format.hpp"
#include "image/samples.hpp"
#include "run/grey_stage.hpp"
#include "run/mix_stage.hpp"
#include "run/network_stage.hpp"
#include "run/resample_stage.hpp"
#include "run/split_stage.hpp"

namespace enlarge {
namespace {

constexpr int kSourceRows = 64;
constexpr int kMostPasses = 6;
constexpr int kPartCore = 128;  // a part is computed in tiles that are not much larger than it

bool is_integer(const PixelFormat& format) {
    return format.sample == SampleType::u8 || format.sample == SampleType::u16;
}

Result<void> check(Size size, const PixelFormat& format, const char* what) {
    if (size.width <= 0 || size.height <= 0)
        return Error{Errc::argument, std::string(what) + " has no pixels (" + describe(size) + ")"};
    const bool bits = format.sample == SampleType::u8    ? format.bits == 8
                      : format.sample == SampleType::u16 ? format.bits >= 9 && format.bits <= 16
                                                         : true;
    if (format.channels < 1 || format.channels > 4 || !bits)
        return Error{Errc::argument, std::string(what) + " has an impossible pixel format: " +
                                         std::to_string(format.channels) + " channels, " +
                                         std::to_string(format.bits) + " bits"};
    return {};
}

Result<void> check(const RowSource& in, Size out_size, const PixelFormat& out_format) {
    TRY(check(in.size(), in.format(), "the picture"));
    TRY(check(out_size, out_format, "the output"));
    if (in.format().channels == out_format.channels) return {};
    return Error{Errc::argument, "the output has " + std::to_string(out_format.channels) + " channels; the picture has " +
                                     std::to_string(in.format().channels)};
}

// Takes whole rows and hands on a part of them.
class PartSink : public RowSink {
public:
    PartSink(RowSink& out, const Rect& part) : out_(out), part_(part) {}
    Result<void> write(const ImageView& rows) override {
        const int top = std::max(part_.y - row_, 0), bottom = std::min(part_.bottom() - row_, rows.size.height);
        row_ += rows.size.height;
        return top < bottom ? out_.write(rows.part({part_.x, top, part_.width, bottom - top})) : Result<void>();
    }

private:
    RowSink& out_;
    Rect part_;
    int row_ = 0;
};

// `rect` of a picture of size `from` in pixels of one of size `to`, grown by `margin` there and clipped.
Rect carried(const Rect& rect, Size from, Size to, double margin) {
    const auto along = [margin](int begin, int end, int whole, int target) {
        const double ratio = static_cast<double>(target) / whole;
        const double low = std::max(0.0, std::floor(begin * ratio - margin)), high = std::min<double>(target, std::ceil(end * ratio + margin));
        return std::pair{static_cast<int>(low), static_cast<int>(high)};
    };
    const auto [left, right] = along(rect.x, rect.right(), from.width, to.width);
    const auto [top, bottom] = along(rect.y, rect.bottom(), from.height, to.height);
    return {left, top, right - left, bottom - top};
}

// What each of the networks has to compute so that `part` of the output is right. `reached` is what the last one gives.
std::vector<Rect> wanted_inputs(const Rect& part, Size in, Size reached, Size out, int scale, int passes, const ProgramInfo& info) {
    constexpr double kFilter = 4;  // Lanczos sees 3 pixels far, of the larger picture's
    const double shrinks = std::max({1.0, static_cast<double>(reached.width) / out.width, static_cast<double>(reached.height) / out.height});
    Rect need = reached == out ? part : carried(part, out, reached, kFilter * shrinks);
    std::vector<Rect> wanted(static_cast<std::size_t>(passes));
    for (int i = passes - 1; i >= 0; --i) {
        Size from = in, to = in;
        for (int k = 0; k < i; ++k) from = {from.width * scale, from.height * scale};
        to = {from.width * scale, from.height * scale};
        const Rect core = at(wanted, i) = carried(need, to, from, 0);
        // What its tiles read is what the network before it has to give.
        const double reach = 1.0 * std::max({info.halo, kAlphaReach, AlphaFilter::kReach}) + 2.0 * info.alignment * info.size_multiple;
        need = carried(core, from, from, reach);
    }
    return wanted;
}

// The same network in fp32 on the processor, which no device error can come from.
Result<std::shared_ptr<NetworkEngine>> on_processor(const NetworkEngine& engine, ThreadPool* pool) {
    CompileOptions options;
    options.precision = Precision::fp32;
    options.pool = pool;
    TRY(const Backend* const cpu, choose_backend("cpu"));
    auto graph = std::make_shared<const Graph>(engine.graph());
    TRY(std::shared_ptr<const Program> program, compile(*cpu, *graph, options));
    return std::make_shared<NetworkEngine>(std::move(graph), *cpu, options, std::move(program));
}

}  // namespace

int passes_for(int scale, Size in, Size out) {
    if (scale <= 1) return 1;
    const double factor = std::max(static_cast<double>(out.width) / in.width, static_cast<double>(out.height) / in.height);
    // A picture that is enlarged alike both ways never needs more than scale * scale pixels for one that is wanted. One
    // that is stretched (16375x3 to 65500x257, or 1x1000000 to 4096x16) is not enlarged beyond that: the filter stretches.
    const double area = static_cast<double>(in.width) * in.height;
    const double most = static_cast<double>(scale) * scale * out.width * out.height;
    int passes = 1;
    for (double reached = scale; reached * 1.1 < factor && passes < kMostPasses; reached *= scale) {
        if (area * reached * scale * reached * scale > most) break;
        ++passes;
    }
    return passes;
}

// The steps for one input size and format and one output size and format.
struct Enlarger::Chain {
    std::shared_ptr<NetworkEngine> engine;
    InputKind kind = InputKind::picture;
    Size in_size, out_size;
    PixelFormat in_format, out_format;
    bool grey_wanted = false;  // `grey` is there, but for lack of memory
    std::unique_ptr<RowStage> first;
    std::unique_ptr<GreyStage> grey;
    std::unique_ptr<SplitStage> split;
    std::vector<std::unique_ptr<NetworkStage>> networks;
    std::unique_ptr<ResampleStage> resample;
    // With a strength below 1: the way around the network, and where both meet.
    std::unique_ptr<Tee> tee;
    std::unique_ptr<FloatStage> floats;
    std::unique_ptr<ResampleStage> plain;
    std::unique_ptr<MixStage> mix;
    RowStage* last = nullptr;
    Image rows;                // where floats become the output format; empty when `last` gives that already
    std::vector<float> line;
    double work = 0;           // input pixels of all networks
};

Enlarger::Enlarger(std::shared_ptr<NetworkEngine> engine, const EnlargerOptions& options)
    : engine_(std::move(engine)), options_(options) {}
Enlarger::~Enlarger() = default;

Result<std::unique_ptr<Enlarger::Chain>> Enlarger::build(std::unique_ptr<RowStage> first, const Wanted& asked) {
    auto chain = std::make_unique<Chain>();
    const Size out_size = asked.size;
    const Rect* const part = asked.part;
    chain->kind = asked.kind;
    TRY(chain->engine, engine_for(first->format(), asked.kind));
    if (chain->engine != engine_)
        log(LogLevel::info, "samples of more than 8 bits: computed in fp32, by " + chain->engine->info().description);
    const int model = engine_->info().channels, scale = engine_->info().scale;
    chain->in_size = first->size();
    chain->in_format = first->format();
    chain->out_size = out_size;
    chain->out_format = asked.format;
    chain->first = std::move(first);
    chain->last = chain->first.get();
    if (asked.grey) {
        chain->grey = std::make_unique<GreyStage>(*chain->last);
        chain->last = chain->grey.get();
    }
    // What the stages work on; drive() makes three channels of one again.
    const PixelFormat in_format = chain->last->format(), out_format = asked.grey ? grey_of(asked.format) : asked.format;
    const bool in_memory = asked.in_memory && !asked.grey;

    const bool alpha = in_format.channels % 2 == 0;
    const int colours = in_format.channels - (alpha ? 1 : 0);
    // A network for RGBA takes alpha as it is: what colours mean below it is the network's own business.
    if (in_format.channels != model && (alpha || (!in_format.planar && colours == 3 && model != 3))) {
        chain->split = std::make_unique<SplitStage>(*chain->last);
        chain->last = chain->split.get();
    }

    const bool mixed = options_.strength < 1;
    if (mixed) {
        chain->tee = std::make_unique<Tee>(*chain->last);
        chain->floats = std::make_unique<FloatStage>(chain->tee->second());
        chain->plain = std::make_unique<ResampleStage>(*chain->floats, out_size, options_.pool);
        chain->last = &chain->tee->first();
    }
    const int passes = options_.strength > 0 ? passes_for(scale, chain->in_size, out_size) : 0;
    Size reached = chain->in_size;
    for (int i = 0; i < passes; ++i) {
        const std::int64_t width = std::int64_t{reached.width} * scale, height = std::int64_t{reached.height} * scale;
        if (std::max(width, height) > std::numeric_limits<int>::max())
            return Error{Errc::limit, describe(reached) + " pixels cannot be enlarged " + std::to_string(scale) + " times: at most " +
                                          std::to_string(std::numeric_limits<int>::max()) + " a side"};
        reached = {static_cast<int>(width), static_cast<int>(height)};
    }
    const bool exact = reached == out_size;
    if (passes == 0)
        log(LogLevel::info, "strength 0: no network runs");
    else if (passes > 1)
        log(LogLevel::notice, {"several-passes", "from " + describe(chain->in_size) + " to " + describe(out_size) + ": the x" +
                                  std::to_string(scale) + " network runs " + std::to_string(passes) + " times" +
                                  (exact ? "" : ", then the result is resampled from " + describe(reached))});
    else if (!exact)
        log(LogLevel::info, "the network's " + describe(reached) + " are resampled to " + describe(out_size));

    std::vector<Rect> wanted;  // of each network's input
    if (part) wanted = wanted_inputs(*part, chain->in_size, reached, out_size, scale, passes, chain->engine->info());
    for (int i = 0; i < passes; ++i) {
        const bool final = exact && !mixed && i == passes - 1;
        const StageOptions options =
            options_of({i, passes, final, in_memory, part ? &at(wanted, i) : nullptr,
                        chain->last->format(), in_format, out_format});
        const Size size = chain->last->size();
        TRY(auto stage, NetworkStage::create(*chain->engine, *chain->last, options));
        chain->work += stage->work();
        log(LogLevel::debug, "run " + std::to_string(i + 1) + ": tiles of " + describe(stage->core()) + " of " +
                                 describe(size));
        chain->last = stage.get();
        chain->networks.push_back(std::move(stage));
    }
    if (!exact && passes > 0) {
        chain->resample = std::make_unique<ResampleStage>(*chain->last, out_size, options_.pool);
        chain->last = chain->resample.get();
    }
    if (mixed) {
        chain->mix = std::make_unique<MixStage>(passes > 0 ? chain->last : nullptr, *chain->plain, options_.strength);
        chain->last = chain->mix.get();
    }
    if (!(chain->last->format() == chain->out_format)) {
        const Size some{out_size.width, std::min(kSourceRows, out_size.height)};
        if (!asked.in_memory) chain->rows = Image(some, chain->out_format);
        chain->line.resize(static_cast<std::size_t>(out_size.width));
    }
    return chain;
}

Result<std::shared_ptr<NetworkEngine>> Enlarger::engine_for(const PixelFormat& format, InputKind kind) {
    if (kind == InputKind::frame || format.sample == SampleType::u8) return engine_;
    TRY(auto exact, engine_->exact());
    return exact ? std::move(exact) : engine_;
}

StageOptions Enlarger::options_of(const Pass& pass) const {
    const std::int64_t memory = options_.memory_bytes > 0 ? options_.memory_bytes : free_memory_bytes() / 2;
    StageOptions options;
    options.max_core = pass.wanted && options_.tile == 0 ? kPartCore : options_.tile;
    if (pass.wanted) options.wanted = *pass.wanted;
    options.memory_bytes = memory / pass.passes;
    options.tta = options_.tta;
    options.alpha = options_.alpha;
    // The network may round to the output format itself when nothing comes after it.
    const bool direct = pass.last && NetworkStage::direct(pass.from, engine_->info().channels, options_.tta);
    options.out_format = direct ? pass.out : planar_float(pass.in.channels);
    options.whole_output = pass.in_memory && pass.last && options.out_format == pass.out;
    options.clamp = pass.number + 1 < pass.passes && is_integer(pass.in);
    return options;
}

Result<std::int64_t> Enlarger::memory_for(Size in, const PixelFormat& format, Size out) {
    TRY(check(in, format, "the picture"));
    TRY(check(out, format, "the output"));
    TRY(const std::int64_t bytes, memory_of(in, format, out, true));
    if (!may_be_grey() || format.channels < 3) return bytes;
    // A picture of that format may turn out to have no colour. Without the memory for that it is enlarged as it is.
    const PixelFormat grey = grey_of(format);
    const auto as_grey = memory_of(in, grey, out, false);
    return as_grey.ok() ? std::max(bytes, *as_grey + kSourceRows * RowWindow::row_bytes(in.width, grey)) : bytes;
}

Result<std::int64_t> Enlarger::memory_of(Size in, const PixelFormat& format, Size out, bool first_in_memory) {
    TRY(const auto engine, engine_for(format, InputKind::picture));
    const int scale = engine->info().scale, passes = options_.strength > 0 ? passes_for(scale, in, out) : 0;
    const bool mixed = options_.strength < 1;
    const PixelFormat floats = planar_float(format.channels);
    std::int64_t bytes = std::int64_t{out.width} * static_cast<std::int64_t>(sizeof(float));  // a line for rounding
    // What a resampling filter holds: the rows that it reads and those that it makes.
    const auto resampled = [&](Size from) {
        const int rows = std::min(64, out.height);
        const std::int64_t read = Resampler(from, out, nullptr).rows_for(rows) + std::int64_t{64};
        return read * RowWindow::row_bytes(from.width, floats) + rows * RowWindow::row_bytes(out.width, floats);
    };
    Size reached = in;
    for (int i = 0; i < passes; ++i) {
        const Size next{reached.width * scale, reached.height * scale};
        const bool last = next == out && !mixed && i == passes - 1;
        const Pass pass{i, passes, last, first_in_memory, nullptr, i == 0 ? format : floats, format, format};
        const bool split = format.channels != engine->info().channels && !format.planar;
        if (i == 0 && split) bytes += 64 * RowWindow::row_bytes(in.width, format);
        const StageInput rows{reached, pass.from, i == 0 && first_in_memory && !split};
        TRY(const StagePlan plan, NetworkStage::plan(*engine, rows, options_of(pass)));
        bytes += plan.bytes;
        // The other way reads what this one has read long before.
        if (i == 0 && mixed) bytes += (plan.core.height + 2 * plan.halo + 64) * RowWindow::row_bytes(in.width, format);
        reached = next;
    }
    if (reached != out && passes > 0) bytes += resampled(reached);
    if (mixed)
        bytes += resampled(in) + 64 * (RowWindow::row_bytes(in.width, floats) + RowWindow::row_bytes(out.width, floats));
    return bytes;
}

Result<UpscaleReport> Enlarger::drive(Chain& chain, RowSink* sink, const MutableImageView* target,
                                      int end, const Progress& progress) {
    if (chain.grey) chain.grey->restart();
    if (chain.split) chain.split->restart();
    if (chain.resample) chain.resample->restart();
    if (chain.mix) {
        chain.tee->restart();
        chain.floats->restart();
        chain.plain->restart();
        chain.mix->restart();
    }
    struct Shared {
        Chain& chain;
        const Progress& progress;
        double done[kMostPasses] = {};
        bool report() const {
            double sum = 0;
            for (const double part : done) sum += part;
            return progress(std::min(1.0, sum / chain.work));
        }
    } shared{chain, progress, {}};
    for (std::size_t i = 0; i < chain.networks.size(); ++i) {
        NetworkStage& stage = *chain.networks[i];
        stage.restart();
        if (progress)
            stage.set_progress([&shared, slot = &shared.done[i]](double pixels) {
                *slot = pixels;
                return shared.report();
            });
        else stage.set_progress({});
    }
    const bool written = target && chain.last->format() == chain.out_format && !chain.resample && !chain.mix;
    if (written) chain.networks.back()->set_target(*target);

    const Size size = chain.out_size;
    for (int y = 0; y < end;) {
        TRY(const ImageView rows, chain.last->next());
        for (int done = 0; done < rows.size.height;) {
            const int left = rows.size.height - done;
            if (written) {
                done += left;
                continue;
            }
            const int count = target ? left : chain.rows.empty() ? left : std::min(left, chain.rows.size().height);
            const ImageView part = rows.part({0, done, size.width, count});
            if (!target && chain.rows.empty()) {
                TRY(sink->write(part));
            } else {
                const MutableImageView out = target ? target->part({0, y + done, size.width, count})
                                                    : chain.rows.view().part({0, 0, size.width, count});
                if (chain.line.empty()) {
                    copy_pixels(part, out);
                } else {
                    for (int v = 0; v < count; ++v)
                        for (int c = 0; c < out.format.channels; ++c) {
                            load_row(part, v, chain.grey ? c / 3 : c, chain.line.data());
                            store_row(chain.line.data(), out, v, c);
                        }
                }
                if (!target) TRY(sink->write(out));
            }
            done += count;
        }
        y += rows.size.height;
    }

    UpscaleReport report;
    report.output = size;
    report.passes = static_cast<int>(chain.networks.size());
    for (const auto& stage : chain.networks) {
        report.tiles += stage->counts().tiles;
        report.recomputed_tiles += stage->counts().recomputed;
        report.seconds += stage->counts().seconds;
    }
    if (report.recomputed_tiles)
        log(LogLevel::notice, {"tiles-recomputed", std::to_string(report.recomputed_tiles) + " of " + std::to_string(report.tiles) +
                                  " tiles overflowed and were computed again in full precision"});
    return report;
}

// Networks for RGBA have their own ways with four channels.
bool Enlarger::may_be_grey() const { return engine_->info().channels != 4; }

Result<UpscaleReport> Enlarger::run(const ImageView& in, const MutableImageView& out, const Progress& progress,
                                    InputKind kind) {
    TRY(check(in.size, in.format, "the picture"));
    TRY(check(out.size, out.format, "the output"));
    if (in.format.channels != out.format.channels)
        return Error{Errc::argument, "the output has " + std::to_string(out.format.channels) +
                                         " channels; the picture has " + std::to_string(in.format.channels)};
    const bool grey = may_be_grey() && colourless(in);
    const bool fits = kept_ && kept_->kind == kind && kept_->in_size == in.size && kept_->in_format == in.format &&
                      kept_->out_size == out.size && kept_->out_format == out.format && kept_->grey_wanted == grey;
    if (!fits) {
        kept_.reset();
        TRY(kept_, build_either([&in] { return std::make_unique<ViewStage>(in); },
                                {.size = out.size, .format = out.format, .kind = kind, .grey = grey}));
    }
    static_cast<ViewStage&>(*kept_->first).set(in);
    auto done = drive(*kept_, nullptr, &out, out.size.height, progress);
    if (done.ok() || done.error().code != Errc::device || kind != InputKind::frame) return done;
    // In the middle of a film the processor goes on; a picture is simply tried again by who wants it.
    log(LogLevel::notice, {"device-lost", done.error().message + "; the processor goes on"});
    TRY(engine_, on_processor(*engine_, options_.pool));
    kept_.reset();
    return run(in, out, progress, kind);
}

template <class First>
Result<std::unique_ptr<Enlarger::Chain>> Enlarger::build_either(const First& first, Wanted wanted) {
    auto chain = build(first(), wanted);
    const bool grey = wanted.grey;
    if (grey && !chain.ok() && chain.error().code == Errc::memory) {
        log(LogLevel::info, "enlarged in colour, though there is none: " + chain.error().message);
        wanted.grey = false;
        chain = build(first(), wanted);
    }
    if (chain.ok()) (*chain)->grey_wanted = grey;
    return chain;
}

Result<std::unique_ptr<Enlarger::Chain>> Enlarger::build(RowSource& in, Size size, const PixelFormat& format,
                                                         const Rect* part) {
    bool grey = false;
    if (may_be_grey() && in.format().channels >= 3) {
        TRY(grey, in.colourless());
    }
    return build_either([&in] { return std::make_unique<SourceStage>(in, kSourceRows); },
                        {.size = size, .format = format, .in_memory = false, .grey = grey, .part = part});
}

Result<UpscaleReport> Enlarger::run(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                    const Progress& progress) {
    TRY(check(in, out_size, out_format));
    TRY(auto chain, build(in, out_size, out_format, nullptr));
    return drive(*chain, &out, nullptr, out_size.height, progress);
}

Result<UpscaleReport> Enlarger::run_part(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format, const Rect& part,
                                         const Progress& progress) {
    TRY(check(in, out_size, out_format));
    if (part.x < 0 || part.y < 0 || part.width < 1 || part.height < 1 || part.width > out_size.width - part.x || part.height > out_size.height - part.y)
        return Error{Errc::argument, "the part " + describe(part.size()) + " at " + std::to_string(part.x) + "," + std::to_string(part.y) +
                                         " does not lie in the output of " + describe(out_size)};
    TRY(auto chain, build(in, out_size, out_format, &part));
    PartSink sink(out, part);
    return drive(*chain, &sink, nullptr, part.bottom(), progress);
}

}  // namespace enlarge
