// SPDX-License-Identifier: Apache-2.0
#include "backend/own_size.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "image/format.hpp"
#include "image/samples.hpp"
#include "tile/tile.hpp"

namespace enlarge {
namespace {

// The picture, mirrored at its right and bottom edge until it is `out`'s size.
void continue_by_reflection(const ImageView& in, const MutableImageView& out) {
    const bool planar = in.format.planar;
    const auto pixel = static_cast<std::size_t>(sample_bytes(in.format.sample) * (planar ? 1 : in.format.channels));
    for (int p = 0; p < plane_count(in.format); ++p)
        for (int y = 0; y < out.size.height; ++y) {
            const std::byte* const from = in.row(p, reflect(y, in.size.height));
            std::byte* const to = out.row(p, y);
            std::memcpy(to, from, pixel * static_cast<std::size_t>(in.size.width));
            for (int x = in.size.width; x < out.size.width; ++x)
                std::memcpy(to + pixel * static_cast<std::size_t>(x),
                            from + pixel * static_cast<std::size_t>(reflect(x, in.size.width)), pixel);
        }
}

class OwnSizeSession final : public Session {
public:
    OwnSizeSession(std::unique_ptr<Session> session, Size own, int scale)
        : session_(std::move(session)), own_(own), scale_(scale) {}

    Result<TileReport> run(const TileJob& job) override {
        ImageView in = job.in;
        const Size whole{std::max(in.size.width, own_.width), std::max(in.size.height, own_.height)};
        if (whole != in.size) {
            if (continued_.size() != whole || continued_.format() != in.format) continued_ = Image(whole, in.format);
            continue_by_reflection(job.in, continued_.view());
            in = ImageView(continued_.view());
        }
        const int overlap = own_size_overlap(own_);
        const auto columns = own_size_tiles(whole.width, own_.width, overlap),
                   rows = own_size_tiles(whole.height, own_.height, overlap);
        TileReport all;
        std::size_t done = 0;
        for (const OwnSizeTile& row : rows)
            for (const OwnSizeTile& column : columns) {
                const Rect tile{column.begin, row.begin, own_.width, own_.height};
                const Rect gives{column.first, row.first, column.end - column.first, row.end - row.first};
                const std::size_t before = done++, count = rows.size() * columns.size();
                const std::function<bool(double)> progress = [&](double part) {
                    return (*job.progress)((static_cast<double>(before) + part) / static_cast<double>(count));
                };
                TRY(const TileReport report, one(in, tile, gives, job, job.progress ? &progress : nullptr));
                all.finite = all.finite && report.finite;
            }
        return all;
    }

    void time_stages(bool on) override { session_->time_stages(on); }
    [[nodiscard]] std::vector<StageTime> stage_times() const override { return session_->stage_times(); }

private:
    // What a tile gives to the job's core.
    Result<TileReport> one(const ImageView& in, const Rect& tile, const Rect& gives, const TileJob& job,
                           const std::function<bool(double)>* progress) {
        const int left = std::max(gives.x, job.core.x), right = std::min(gives.right(), job.core.right()),
                  top = std::max(gives.y, job.core.y), bottom = std::min(gives.bottom(), job.core.bottom());
        if (left >= right || top >= bottom) return TileReport{};
        const Rect part{left, top, right - left, bottom - top};
        const MutableImageView out =
            job.out.part({(part.x - job.core.x) * scale_, (part.y - job.core.y) * scale_, part.width * scale_,
                          part.height * scale_});
        TileJob inner{in.part(tile), {0, 0, own_.width, own_.height}, out};
        inner.progress = progress;
        const bool direct = part == tile;
        const Size size{own_.width * scale_, own_.height * scale_};
        if (!direct) {
            if (result_.size() != size || result_.format() != job.out.format) result_ = Image(size, job.out.format);
            inner.out = result_.view();
        }
        TRY(const TileReport report, session_->run(inner));
        if (!direct)
            copy_pixels(ImageView(inner.out).part({(part.x - tile.x) * scale_, (part.y - tile.y) * scale_,
                                                   out.size.width, out.size.height}),
                        out);
        return report;
    }

    std::unique_ptr<Session> session_;
    Size own_;
    int scale_;
    Image continued_, result_;
};

class OwnSizeProgram final : public Program {
public:
    OwnSizeProgram(std::unique_ptr<Program> program, Size own)
        : program_(std::move(program)), own_(own), info_(program_->info()) {
        info_.size_multiple = 1;
        info_.halo = kWholePicture;  // its tiles lie on the picture's own grid
        info_.alignment = 1;
        info_.description += ", in tiles of " + describe(own);
    }

    [[nodiscard]] const ProgramInfo& info() const override { return info_; }
    [[nodiscard]] std::int64_t memory_bytes(Size picture) const override {
        constexpr std::int64_t kFloat = 4;
        const std::int64_t pixels = std::int64_t{own_.width} * own_.height;
        const bool smaller = picture.width < own_.width || picture.height < own_.height;
        const std::int64_t continued = std::int64_t{std::max(picture.width, own_.width)} *
                                       std::max(picture.height, own_.height);
        return program_->memory_bytes(own_) +
               (pixels * info_.scale * info_.scale + (smaller ? continued : 0)) * info_.channels * kFloat;
    }
    Result<std::unique_ptr<Session>> session() const override {
        TRY(auto session, program_->session());
        return std::unique_ptr<Session>(std::make_unique<OwnSizeSession>(std::move(session), own_, info_.scale));
    }
    [[nodiscard]] int devices() const override { return program_->devices(); }
    [[nodiscard]] std::int64_t peak_device_bytes() const override { return program_->peak_device_bytes(); }
    Result<Ceiling> measure_ceiling() const override { return program_->measure_ceiling(); }
    [[nodiscard]] const Program& base() const override { return *program_; }

private:
    std::unique_ptr<Program> program_;
    Size own_;
    ProgramInfo info_;
};

}  // namespace

int own_size_overlap(Size own) { return std::min(own.width, own.height) / 8; }

std::vector<OwnSizeTile> own_size_tiles(int length, int own, int overlap) {
    if (length <= own) return {{0, 0, length}};
    const int step = own - 2 * overlap, count = (length - 2 * overlap + step - 1) / step;
    std::vector<OwnSizeTile> tiles;
    for (int i = 0; i < count; ++i) {
        const bool last = i + 1 == count;
        const int begin = last ? length - own : i * step;
        tiles.push_back({begin, i == 0 ? 0 : i * step + overlap, last ? length : (i + 1) * step + overlap});
    }
    return tiles;
}

Result<std::unique_ptr<Program>> compile(const Backend& backend, const Graph& graph, const CompileOptions& options) {
    const auto own = graph.own_size();
    if (!own) return backend.compile(graph, options);
    CompileOptions how = options;
    // Nothing is measured on pictures of another size.
    if (how.precision == Precision::automatic) how.precision = Precision::fp32;
    TRY(auto program, backend.compile(graph, how));
    return std::unique_ptr<Program>(std::make_unique<OwnSizeProgram>(std::move(program), *own));
}

}  // namespace enlarge
