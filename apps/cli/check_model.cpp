// SPDX-License-Identifier: Apache-2.0
#include "check_model.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>

#include "command.hpp"
#include "engine_options.hpp"
#include "enlarge/engine.hpp"
#include "enlarge/picture.hpp"
#include "pixels.hpp"
#include "quality.hpp"
#include "reporter.hpp"
#include "text.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Image;
using enlarge::ImageView;
using enlarge::PixelFormat;
using enlarge::Precision;
using enlarge::Result;
using enlarge::SampleType;
using enlarge::Size;

constexpr double kMultiplications = 6e9;          // of one run, if the picture stays large enough: about three seconds
constexpr int kMostWidth = 99, kLeastWidth = 33;  // sides that are no multiples of what networks need
constexpr double kFloats = 1e-4;                  // what fp32 promises where values are about 0..1,
constexpr double kOfLargest = 1e-5;               // and where they are far larger

PixelFormat pixels(const enlarge::ModelInfo& model, SampleType type) {
    return {type, static_cast<std::uint8_t>(type == SampleType::u8 ? 8 : 32), static_cast<std::uint8_t>(model.channels),
            false};
}

// One picture, rounded and not; what goes into a network and what comes out of it.
struct Pair {
    Image bytes, floats;
    Pair() = default;
    Pair(Size size, const enlarge::ModelInfo& model)
        : bytes(size, pixels(model, SampleType::u8)), floats(size, pixels(model, SampleType::f32)) {}
};

float* float_row(Image& image, int y) { return reinterpret_cast<float*>(image.view().row(0, y)); }
const float* float_row(const Image& image, int y) { return reinterpret_cast<const float*>(image.view().row(0, y)); }

// Waves, boxes and a little noise, always the same.
void draw(Image& image) {
    std::uint32_t state = 1;
    const int channels = image.format().channels;
    for (int y = 0; y < image.size().height; ++y)
        for (int i = 0; i < image.size().width * channels; ++i) {
            const int x = i / channels, c = i % channels;
            state = state * 1664525U + 1013904223U;
            const double wave = std::sin(0.31 * x + 0.7 * c) * std::cos(0.23 * y - 0.4 * c);
            const double box = ((x / 13) ^ (y / 11)) & 1 ? 30 : -30;
            const int value = static_cast<int>(128 + 80 * wave + box) + static_cast<int>(state >> 28) - 8;
            image.view().row(0, y)[i] = static_cast<std::byte>(std::clamp(value, 0, 255));
        }
}

// RGB as the network has it: luma for grey ones, opaque for those with transparency.
void fill(const ImageView& rgb, Image& image) {
    const int channels = image.format().channels;
    for (int y = 0; y < image.size().height; ++y)
        for (int x = 0; x < image.size().width; ++x) {
            const std::byte* from = rgb.row(0, y) + std::ptrdiff_t{3} * x;
            std::byte* to = image.view().row(0, y) + std::ptrdiff_t{channels} * x;
            const auto value = [&](int c) { return std::to_integer<int>(from[c]); };
            if (channels == 1)
                to[0] = std::byte((299 * value(0) + 587 * value(1) + 114 * value(2) + 500) / 1000);
            else
                std::copy(from, from + 3, to);
            if (channels == 4) to[3] = std::byte{255};
        }
}

// As large as a few seconds allow. Where tiles are looked at, wide enough that one of two does not see the whole, if
// that can be had.
Size size_for(const enlarge::ModelInfo& model, bool tiles) {
    // The whole picture is computed for each tile of a network that reads all of it.
    const double runs = tiles && model.receptive_radius < 0 ? 3 : 1;
    const double pixels = kMultiplications / runs / std::max(model.macs_per_pixel, 1.0);
    const int width = std::clamp(static_cast<int>(std::sqrt(1.5 * pixels)), kLeastWidth, kMostWidth);
    const Size usual{width, width * 3 / 5};
    const Size wide{2 * model.receptive_radius + 37, 23};
    const bool worth =
        tiles && model.receptive_radius > 0 && wide.width > width && 1.0 * wide.width * wide.height <= pixels;
    return worth ? wide : usual;
}

Result<Pair> picture_for(const CheckChoice& choice, const enlarge::ModelInfo& model, bool tiles) {
    Size size = size_for(model, tiles);
    Pair in;
    if (choice.picture.empty()) {
        in = Pair(size, model);
        draw(in.bytes);
    } else {
        auto picture = enlarge::Picture::open(choice.picture);
        if (!picture) return std::move(picture).error();
        const auto loaded = picture->load();
        if (!loaded) return loaded.error();
        const Image rgb = rgb8(loaded->view());
        const Size whole = rgb.size();
        size = {std::min(size.width, whole.width), std::min(size.height, whole.height)};
        in = Pair(size, model);
        fill(rgb.view().part(
                 {(whole.width - size.width) / 2, (whole.height - size.height) / 2, size.width, size.height}),
             in.bytes);
    }
    for (int y = 0; y < size.height; ++y)
        for (int i = 0; i < size.width * model.channels; ++i)
            float_row(in.floats, y)[i] =
                static_cast<float>(std::to_integer<int>(in.bytes.view().row(0, y)[i])) / 255.0F;
    return in;
}

struct Difference {
    double largest = 0, psnr = 0, magnitude = 0;  // the largest value of the second
};

template <class Read>
Difference difference(const Image& a, const Image& b, double range, Read read) {
    Difference found;
    double sum = 0;
    const int count = a.size().width * a.format().channels;
    for (int y = 0; y < a.size().height; ++y)
        for (int i = 0; i < count; ++i) {
            const double right = read(b, y, i), off = std::abs(read(a, y, i) - right);
            found.largest = std::max(found.largest, off);
            found.magnitude = std::max(found.magnitude, std::abs(right));
            sum += off * off;
        }
    found.psnr = 10 * std::log10(range * range * count * a.size().height / sum);
    return found;
}
Difference in_floats(const Pair& a, const Pair& b) {
    return difference(a.floats, b.floats, 1,
                      [](const Image& image, int y, int i) { return 1.0 * float_row(image, y)[i]; });
}
Difference in_bytes(const Pair& a, const Pair& b) {
    return difference(a.bytes, b.bytes, 255, [](const Image& image, int y, int i) {
        return std::to_integer<int>(image.view().row(0, y)[i]) * 1.0;
    });
}

// What a run gave, and how long the picture of 8 bits took; the other goes first and warms up.
struct Run {
    Pair out;
    double seconds = 0;
};

using Said = std::function<void(double)>;  // told 0..1

Result<Run> run(const enlarge::Engine& engine, const Pair& in, const Said& said) {
    const int scale = engine.info().model.scale;
    const Size size = in.bytes.size();
    Run run;
    run.out = Pair({size.width * scale, size.height * scale}, engine.info().model);
    auto session = engine.session();
    double begun = 0;
    const enlarge::CallOptions call{.progress =
                                        [&](double done) {
                                            said((begun + done) / 2);
                                            return !interrupted();
                                        },
                                    .cancel = {}};
    const std::pair<const Image*, Image*> pictures[] = {{&in.floats, &run.out.floats}, {&in.bytes, &run.out.bytes}};
    for (const auto& [from, to] : pictures) {
        const auto start = std::chrono::steady_clock::now();
        const auto report = session.upscale(from->view(), to->view(), call);
        if (!report) return report.error();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        run.seconds = took.count();
        begun = 1;
    }
    return run;
}

// Two runs of a picture: as networks are computed here, and the other that it is held against.
struct Checked {
    enlarge::EngineInfo info;
    Size size;
    int tile = 0;  // of the second run; 0: that was the reference's
    Run first, second;
};

Result<Checked> check(const CheckChoice& choice, Reporter& reporter) {
    auto model = enlarge::Model::open(choice.model);
    if (!model) {
        Error error = model.error();
        if (error.code == Errc::not_found) error.message += suggestion(choice.model);
        return error;
    }
    enlarge::EngineOptions options;
    options.device = choice.device;
    options.threads = choice.threads;
    options.cache_folder = enlarge::cache_folder();
    const auto precision = enlarge::parse_precision(choice.precision);
    if (!precision) return precision.error();
    options.precision = *precision;
    const auto engine = enlarge::Engine::create(*model, options);
    if (!engine) return engine.error();
    const bool plain = engine->info().plain_loops;
    const auto in = picture_for(choice, model->info(), plain);
    if (!in) return in.error();
    const Size size = in->bytes.size();

    reporter.start(choice.model, "");
    auto first = run(*engine, *in, [&](double done) { reporter.progress(done / 2); });
    if (!first) return std::move(first).error();
    const int tile = plain ? std::max(1, std::max(size.width, size.height) * 2 / 3) : 0;
    options.log = [](enlarge::LogLevel, const enlarge::Notice&) {};  // it has said what it has to say
    if (plain) {
        options.tile = tile;
    } else {
        options.device = "reference";
        options.precision = Precision::fp32;
    }
    const auto other = enlarge::Engine::create(*model, options);
    if (!other) return other.error();
    auto second = run(*other, *in, [&](double done) { reporter.progress(0.5 + done / 2); });
    if (!second) return std::move(second).error();
    return Checked{engine->info(), size, tile, std::move(first).value(), std::move(second).value()};
}

std::string name_of(Precision precision) { return std::string(enlarge::precision_name(precision)); }
std::string decibels(double psnr) { return std::isinf(psnr) ? "" : ", PSNR " + fixed(psnr, 1) + " dB"; }

void print_head(const CheckChoice& choice, const enlarge::ModelInfo& model, Size size) {
    std::printf("model      %s: %s, x%d\npicture    %s, %dx%d\n", printable(model.name).c_str(),
                printable(model.family).c_str(), model.scale,
                choice.picture.empty() ? "made for this" : printable(choice.picture).c_str(), size.width, size.height);
}

JsonLine json_head(const CheckChoice& choice, const enlarge::ModelInfo& model, Size size, bool compared) {
    JsonLine line("check");
    line.add("model", model.name)
        .add("family", model.family)
        .add("scale", model.scale)
        .add("picture", choice.picture)
        .add("width", size.width)
        .add("height", size.height)
        .add("compared", compared);
    return line;
}

// What docs/numerics.md promises of 8-bit results, here to the reference instead of to fp32.
Promise promise_to_reference(Precision precision) {
    return precision == Precision::fp32 ? Promise{0, 1} : promise_of(precision);
}

int print_compared(const CheckChoice& choice, const Checked& checked) {
    const auto& [info, size, tile, got, right] = checked;
    const Difference floats = in_floats(got.out, right.out), bytes = in_bytes(got.out, right.out);
    // Pictures of floats run in fp32 unless another precision was asked for; that promises nothing for them.
    const Precision of_floats = choice.precision == "auto" ? Precision::fp32 : info.precision;
    const double allowed = of_floats == Precision::fp32 ? std::max(kFloats, kOfLargest * floats.magnitude) : 0;
    const Promise promise = promise_to_reference(info.precision);
    const bool kept =
        (allowed == 0 || floats.largest <= allowed) && bytes.psnr >= promise.psnr && bytes.largest <= promise.largest;
    const std::string wanted = promise.psnr > 0 ? ", " + fixed(promise.psnr, 0) + " dB wanted" : "";
    if (choice.json) {
        JsonLine line = json_head(choice, info.model, size, true);
        line.add("device", info.device.id)
            .add("path", info.description)
            .add("seconds", got.seconds)
            .add("reference_seconds", right.seconds)
            .add("float_precision", name_of(of_floats))
            .add("float_largest", floats.largest)
            .add("float_psnr", floats.psnr)
            .add("precision", name_of(info.precision))
            .add("largest", bytes.largest)
            .add("psnr", bytes.psnr)
            .add("allowed", promise.largest)
            .add("wanted_psnr", promise.psnr);
        if (allowed > 0) line.add("float_allowed", allowed);
        std::printf("%s\n", line.add("kept", kept).text().c_str());
        return kept ? kOk : kNumeric;
    }
    print_head(choice, info.model, size);
    std::printf("computed   %s s, %s\nreference  %s s, plain loops\n", fixed(got.seconds, 3).c_str(),
                printable(info.description).c_str(), fixed(right.seconds, 3).c_str());
    std::printf("floats     %s: %s off at most%s (%s)\n", name_of(of_floats).c_str(), shortest(floats.largest).c_str(),
                decibels(floats.psnr).c_str(),
                allowed > 0 ? (shortest(allowed) + " allowed").c_str() : "nothing is promised");
    std::printf("8 bits     %s: %.0f of 255 off at most%s (%.0f allowed%s)\n", name_of(info.precision).c_str(),
                bytes.largest, decibels(bytes.psnr).c_str(), promise.largest, wanted.c_str());
    std::printf("verdict    %s\n", kept ? "within what is promised" : "NOT within what is promised");
    return kept ? kOk : kNumeric;
}

int print_tiles(const CheckChoice& choice, const Checked& checked) {
    const auto& [info, size, tile, whole, tiles] = checked;
    const enlarge::ModelInfo& model = info.model;
    const Difference floats = in_floats(tiles.out, whole.out), bytes = in_bytes(tiles.out, whole.out);
    const bool same = floats.largest == 0 && bytes.largest == 0;
    const bool near = floats.largest <= std::max(kFloats, kOfLargest * floats.magnitude) && bytes.largest <= 1;
    const bool kept = model.tiles_exact ? same : near;
    if (choice.json) {
        JsonLine line = json_head(choice, model, size, false);
        line.add("device", info.device.id)
            .add("path", info.description)
            .add("tile", tile)
            .add("tiles_exact", model.tiles_exact)
            .add("same_bits", same)
            .add("float_largest", floats.largest)
            .add("largest", bytes.largest)
            .add("seconds", whole.seconds)
            .add("tiles_seconds", tiles.seconds)
            .add("kept", kept);
        std::printf("%s\n", line.text().c_str());
        return kept ? kOk : kNumeric;
    }
    print_head(choice, model, size);
    std::printf("computed   %s s, %s\n", fixed(whole.seconds, 3).c_str(), printable(info.description).c_str());
    std::printf("reference  nothing to compare: these are the plain loops of the reference\n");
    const std::string off = shortest(floats.largest) + " off at most, " + fixed(bytes.largest, 0) + " of 255";
    std::printf("tiles      %s s, of at most %d pixels a side: %s%s\n", fixed(tiles.seconds, 3).c_str(), tile,
                same ? "the same bits" : off.c_str(),
                model.tiles_exact ? "" : " (the network sees farther than tiles overlap: 1 of 255 allowed)");
    std::printf("verdict    %s\n", kept ? "as promised" : "NOT as promised: tiles change the result");
    return kept ? kOk : kNumeric;
}

}  // namespace

int check_model(const CheckChoice& choice) {
    const auto checked = [&] {
        ReportOptions report;
        report.quiet = choice.json;  // one object is all that programs are given
        Reporter reporter(report);
        return check(choice, reporter);
    }();
    if (!checked) return fail(checked.error());
    return checked->tile > 0 ? print_tiles(choice, *checked) : print_compared(choice, *checked);
}

}  // namespace cli
