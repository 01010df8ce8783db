// SPDX-License-Identifier: Apache-2.0
// One run of the network over a picture, band by band.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/aligned.hpp"
#include "enlarge/enlarge.hpp"
#include "run/alpha.hpp"
#include "run/row_stage.hpp"
#include "run/tile_runner.hpp"
#include "tile/tile.hpp"

namespace enlarge {

// Whether tiles of any size give the bits of the picture in one piece. Not of networks that see farther than tiles
// overlap (docs/numerics.md).
bool tiles_are_exact(const Graph& graph);

struct StageOptions {
    int max_core = 0;              // EngineOptions::tile
    std::int64_t memory_bytes = 0; // for this stage
    bool tta = false;
    AlphaMode alpha = AlphaMode::network;
    PixelFormat out_format;        // what next() gives; planar f32 unless direct() holds
    bool clamp = false;            // floats are limited to 0..1: what the next run of the network expects
    std::optional<Rect> wanted;    // input pixels whose results are looked at; the others' rows are black
    bool whole_output = false;     // results go to set_target(), not to a band of this stage's own
};

// The rows that a stage gets, before there are any.
struct StageInput {
    Size size;
    PixelFormat format;
    bool whole = false;  // the picture is in memory
};
// How a stage would go about them.
struct StagePlan {
    Size core;               // of its tiles
    int halo = 0;
    std::int64_t bytes = 0;  // of rows, tiles and the network's scratch
    std::int64_t network_bytes = 0;  // what of it the network has to be content with; 0: all it takes
};

class NetworkStage : public RowStage {
public:
    // Takes no memory. Errc::memory when it cannot be done in options.memory_bytes.
    static Result<StagePlan> plan(NetworkEngine& engine, const StageInput& in, const StageOptions& options);
    // `stage` gives grey, grey + alpha (planar), RGB (planar unless the network is for RGB) or RGBA (planar unless the
    // network is for RGBA).
    static Result<std::unique_ptr<NetworkStage>> create(NetworkEngine& engine, RowStage& stage,
                                                        const StageOptions& options);

    // Whether a network with `channels` computes pictures of this format in one call, so that its own rounding can
    // be used and any output format is possible.
    static bool direct(const PixelFormat& in, int channels, bool tta) {
        return in.channels == channels && !tta;
    }

    [[nodiscard]] Size size() const override { return size_; }
    [[nodiscard]] PixelFormat format() const override { return options_.out_format; }
    Result<ImageView> next() override;

    // With whole_output: where the picture goes; next() then returns its rows.
    void set_target(const MutableImageView& target) { target_ = target; }
    // Called with the number of input pixels finished in this stage; false stops.
    void set_progress(std::function<bool(double pixels)> progress) { progress_ = std::move(progress); }
    void restart();

    [[nodiscard]] const TileCounts& counts() const { return runner_.counts(); }
    [[nodiscard]] Size core() const { return core_; }
    // Input pixels that will be computed.
    [[nodiscard]] double work() const;

private:
    NetworkStage(NetworkEngine& engine, RowStage& stage, const StageOptions& options, int halo, Size core);

    [[nodiscard]] bool is_wanted(const Rect& core) const;
    Result<void> tile(const ImageView& rows, int top, const Rect& core, const MutableImageView& out);
    Result<void> colour(const Band& band, const Rect& core, const MutableImageView& out);
    Result<void> grey(const Band& band, const Rect& core, const MutableImageView& out);
    Result<void> with_alpha(const ImageView& rows, int top, const Rect& core, const MutableImageView& out);

    NetworkEngine& engine_;
    RowStage& stage_;
    StageOptions options_;
    Size size_, padded_, core_;
    TileRunner runner_;
    std::optional<AlphaFilter> alpha_filter_;
    TileGrid grid_;
    RowWindow window_;
    Image band_, scratch_;
    Image opaque_;  // a row of alpha, for pictures without through a network for RGBA
    MutableImageView target_;
    int row_ = 0;  // of the grid
    double done_ = 0, tile_pixels_ = 0;
    std::function<bool(double)> progress_, tile_progress_;
};

}  // namespace enlarge
