// SPDX-License-Identifier: Apache-2.0
// --try-models: the same part of a picture by every network that is here, on one sheet.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "command.hpp"
#include "enlarge/models.hpp"
#include "font.hpp"
#include "pixels.hpp"
#include "text.hpp"
#include "upscale.hpp"

namespace cli {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Image;
using enlarge::ImageView;
using enlarge::Rect;
using enlarge::Result;
using enlarge::Size;

constexpr Size kCrop{160, 120};
constexpr int kAround = 32;      // input pixels around the crop that networks see, too
constexpr int kMostCrop = 1024;  // a side: many networks are slow
constexpr int kGap = 8, kLetter = 2, kLabel = 2 * (kLetterHeight * kLetter + 6);  // two lines
constexpr int kMostText = 480;  // pixels that a name may make a tile wider than its picture

// Where most changes from pixel to pixel, looked for in steps of 8 pixels.
Rect busiest(const ImageView& rgb, Size want) {
    const int width = std::min(want.width, rgb.size.width), height = std::min(want.height, rgb.size.height);
    constexpr int kStep = 8;
    const int columns = (rgb.size.width + kStep - 1) / kStep, rows = (rgb.size.height + kStep - 1) / kStep;
    // sums[r][c]: of all blocks above and left.
    std::vector<double> sums(static_cast<std::size_t>((columns + 1) * (rows + 1)));
    const auto sum = [&](int c, int r) -> double& { return sums[static_cast<std::size_t>(r * (columns + 1) + c)]; };
    const auto green = [&](int x, int y) { return std::to_integer<int>(rgb.row(0, y)[3 * x + 1]); };
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < columns; ++c) {
            double here = 0;
            for (int y = r * kStep; y < std::min((r + 1) * kStep, rgb.size.height - 1); ++y)
                for (int x = c * kStep; x < std::min((c + 1) * kStep, rgb.size.width - 1); ++x)
                    here += std::abs(green(x + 1, y) - green(x, y)) + std::abs(green(x, y + 1) - green(x, y));
            sum(c + 1, r + 1) = here + sum(c, r + 1) + sum(c + 1, r) - sum(c, r);
        }
    Rect best{0, 0, width, height};
    double most = -1;
    for (int r = 0; r * kStep + height <= rgb.size.height; ++r)
        for (int c = 0; c * kStep + width <= rgb.size.width; ++c) {
            const int right = c + width / kStep, bottom = r + height / kStep;
            const double here = sum(right, bottom) - sum(c, bottom) - sum(right, r) + sum(c, r);
            if (here > most) most = here, best = {c * kStep, r * kStep, width, height};
        }
    return best;
}

struct Tile {
    Image picture;
    std::string name, remark;
    double seconds = 0, whole = 0;  // of the part that was computed; of the whole picture, from that
    int width = 0;                  // of the longer of the two lines of text
};

int text_width(const std::string& text) { return static_cast<int>(text.size()) * kLetterWidth * kLetter; }

std::string duration(double seconds) {
    return seconds < 60 ? fixed(seconds, seconds < 10 ? 2 : 0) + " s" : clock(seconds) + " min";
}

class Sheet {
public:
    Sheet(const ImageView& rgb, const Rect& crop, int scale) : rgb_(rgb), crop_(crop), scale_(scale) {
        const int left = std::max(0, crop.x - kAround), top = std::max(0, crop.y - kAround);
        read_ = {left, top, std::min(rgb.size.width, crop.right() + kAround) - left, std::min(rgb.size.height, crop.bottom() + kAround) - top};
    }

    Result<void> add(const enlarge::Model& model, const std::string& name, enlarge::EngineOptions engine, bool plain) {
        engine.strength = plain ? 0 : engine.strength;
        auto upscaler = enlarge::Upscaler::create(model, engine);
        if (!upscaler) return upscaler.error();
        Image large({read_.width * scale_, read_.height * scale_}, enlarge::kRgb8);
        const auto begun = std::chrono::steady_clock::now();
        const auto report = upscaler->upscale(rgb_.part(read_), large.view(), [](double) { return !interrupted(); });
        if (!report) return report.error();
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        const double share = static_cast<double>(read_.width) * read_.height / (static_cast<double>(rgb_.size.width) * rgb_.size.height);
        std::string remark = share < 1 ? "the whole picture: about " + duration(seconds / share) : duration(seconds);
        if (plain) remark = "no network";
        else if (report->passes > 1) remark += ", " + std::to_string(report->passes) + " runs";
        const ImageView part = std::as_const(large).view().part(
            {(crop_.x - read_.x) * scale_, (crop_.y - read_.y) * scale_, crop_.width * scale_, crop_.height * scale_});
        const bool mixed = engine.strength < 1 && !plain;
        const std::string label = name + (mixed ? ", --strength " + shortest(engine.strength) : "");
        const int wide = std::max(text_width(label), text_width(remark));
        tiles_.push_back({rgb8(part), label, remark, seconds, seconds / share, wide});
        return {};
    }

    [[nodiscard]] std::vector<JsonLine> times() const {
        std::vector<JsonLine> lines;
        for (const Tile& tile : tiles_)
            lines.push_back(
                JsonLine().add("name", tile.name).add("seconds", tile.seconds).add("whole_seconds", tile.whole));
        return lines;
    }

    // All tiles in rows, on white.
    [[nodiscard]] Image drawn() const {
        int wide = crop_.width * scale_;
        for (const Tile& one : tiles_) wide = std::max(wide, std::min(one.width, kMostText));
        const Size tile{wide, crop_.height * scale_ + kLabel};
        const int count = static_cast<int>(tiles_.size()), columns = std::max(1, static_cast<int>(std::ceil(std::sqrt(count))));
        const int rows = (count + columns - 1) / columns;
        Image sheet({columns * (tile.width + kGap) + kGap, rows * (tile.height + kGap) + kGap}, enlarge::kRgb8);
        for (int y = 0; y < sheet.size().height; ++y) std::memset(sheet.view().row(0, y), 255, static_cast<std::size_t>(3 * sheet.size().width));
        for (int i = 0; i < count; ++i) {
            const Tile& one = tiles_[static_cast<std::size_t>(i)];
            const enlarge::MutableImageView place =
                sheet.view().part({kGap + i % columns * (tile.width + kGap), kGap + i / columns * (tile.height + kGap), tile.width, tile.height});
            draw_text(place, 0, 2, kLetter, one.name);
            draw_text(place, 0, 2 + kLabel / 2, kLetter, one.remark);
            for (int y = 0; y < one.picture.size().height; ++y)
                std::memcpy(place.row(0, kLabel + y), one.picture.view().row(0, y), static_cast<std::size_t>(3 * one.picture.size().width));
        }
        return sheet;
    }

private:
    ImageView rgb_;
    Rect crop_, read_;
    int scale_;
    std::vector<Tile> tiles_;
};

std::string stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

// Names and files of the networks here: built in (but those for another factor), stored, and in the folders of ENLARGE_MODELS.
std::vector<std::pair<std::string, std::string>> models_here(int scale) {
    std::vector<std::pair<std::string, std::string>> models;
    for (const std::string& name : enlarge::builtin_models())
        if (name.ends_with(scale <= 2 ? "x2" : "x4")) models.emplace_back(name, name);
    if (const auto stored = enlarge::list_stored_models())
        for (const enlarge::StoredModel& model : *stored) models.emplace_back(model.name, model.path);
    const std::string own = enlarge::preferred_model();
    const auto is_own = [&](const auto& model) { return model.first == own; };
    const bool listed = std::any_of(models.begin(), models.end(), is_own);
    if (!own.empty() && !listed) models.emplace_back(stem(own), own);
    return models;
}

// The network that was named or described, mixed as it was asked for. Gives its name on the sheet; empty: none was.
Result<std::string> add_asked(Sheet& sheet, int scale, const EngineChoice& choice, enlarge::EngineOptions engine) {
    if (choice.model.empty() && choice.purpose.empty() && choice.denoise < 0 && choice.blend.empty())
        return std::string();
    const auto settings = settings_for(choice, enlarge::Use::pictures, scale);
    if (!settings) return settings.error();
    EngineChoice settled = choice;
    settled.denoise = settings->denoise;
    const auto model = open_model(settings->model, settled);
    if (!model) return model.error();
    engine.strength = settings->strength;
    Settings shown = *settings;
    shown.model = settled.denoise < 0 && model->info().path.empty() ? model->info().name : stem(shown.model);
    shown.strength = 1;  // add() says it
    std::string name = with_options(shown);
    for (const std::string& other : choice.blend) name += ", --blend " + other;
    if (auto added = sheet.add(*model, name, engine, false); !added) return added.error();
    return name;
}

// Adds a tile by each network; those that cannot be used are named in notes.
Result<void> add_all(Sheet& sheet, int scale, const EngineChoice& choice, const enlarge::EngineOptions& engine,
                     Reporter& reporter) {
    auto models = models_here(scale);
    const auto plain = enlarge::Model::open(enlarge::kDefaultModel);
    if (!plain) return plain.error();
    if (auto added = sheet.add(*plain, "Lanczos", engine, true); !added) return added;
    const auto asked = add_asked(sheet, scale, choice, engine);
    if (!asked) return asked.error();
    if (choice.purpose.empty()) std::erase_if(models, [&](const auto& model) { return model.first == *asked; });
    std::size_t done = 0;
    for (const auto& [name, path] : models) {
        const double fraction = static_cast<double>(done) / static_cast<double>(models.size());
        reporter.progress(fraction, std::to_string(++done) + " of " + std::to_string(models.size()) + ": " + name);
        const auto model = enlarge::Model::open(path);
        auto added = model ? sheet.add(*model, name, engine, false) : Result<void>(model.error());
        if (interrupted()) return Error{Errc::cancelled, "interrupted"};
        if (!added) reporter.note({"model-left-out", added.error().message});
    }
    return {};
}

}  // namespace

Result<void> try_models(const Job& job, const UpscaleOptions& options, Reporter& reporter) {
    const auto engine = engine_options(options.engine);
    if (!engine) return engine.error();
    const auto size = output_size(options.engine);
    if (!size) return size.error();
    if (size->width > 0 || size->height > 0 || size->scale > 8 || size->scale != std::floor(size->scale))
        return Error{Errc::argument, "--try-models enlarges by a whole --scale up to 8, and not to a width or height"};
    auto picture = open_picture(job.input, options);
    if (!picture) return std::move(picture).error();
    const auto image = picture->load();
    if (!image) return image.error();
    const Image rgb = rgb8(std::as_const(*image).view());
    auto crop = options.crop.empty() ? Result<Rect>(busiest(rgb.view(), kCrop)) : rect_within(options.crop, "--crop", rgb.size());
    if (!crop) return Error(crop.error()).within(job.input);
    if (crop->width > kMostCrop || crop->height > kMostCrop)
        return Error{Errc::argument, "--crop " + options.crop + ": at most " + std::to_string(kMostCrop) + " pixels a side"};
    const std::string output = !job.output.empty() ? job.output : default_output(job.input == "-" ? "picture" : job.input, job.folder, "_models", "png");
    enlarge::WriteOptions write;
    write.overwrite = options.force;
    write.quality = options.quality;
    const int scale = size->scale > 0 ? static_cast<int>(size->scale) : 4;
    if (const auto possible = enlarge::check_output(output, {crop->width * scale, crop->height * scale}, enlarge::kRgb8, write); !possible)
        return possible.error();
    if (auto made = make_folder(job.folder); !made) return made;

    reporter.start(job.input, output);
    Sheet sheet(rgb.view(), *crop, scale);
    if (auto added = add_all(sheet, scale, options.engine, *engine, reporter); !added) return added;
    const Image drawn = sheet.drawn();
    if (auto saved = enlarge::save_picture(output, drawn.view(), nullptr, write); !saved) return saved;
    reporter.done(output + ": the part at " + std::to_string(crop->x) + "," + std::to_string(crop->y) + " by every network here",
                  JsonLine("done").add("input", job.input).add("output", output).add("width", drawn.size().width).add("height", drawn.size().height)
                      .add("x", crop->x).add("y", crop->y).add("models", sheet.times()));
    return {};
}

}  // namespace cli
