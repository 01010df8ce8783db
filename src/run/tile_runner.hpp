// SPDX-License-Identifier: Apache-2.0
// Runs a network on one rectangle of a picture, whatever happens: averaged over the 8 symmetries if asked for, computed
// again in full precision when the result is not finite, cut in two when memory is short.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "backend/backend.hpp"
#include "base/aligned.hpp"
#include "base/result.hpp"
#include "graph/graph.hpp"
#include "tile/tile.hpp"

namespace enlarge {

// A network ready to run: the program, and what is needed to compile a more precise one should that be necessary.
// Shared by all stages of an enlargement, and by enlargements that run side by side.
class NetworkEngine {
public:
    NetworkEngine(std::shared_ptr<const Graph> graph, const Backend& backend, const CompileOptions& options,
           std::shared_ptr<const Program> program);

    [[nodiscard]] const Program& program() const { return *program_; }
    [[nodiscard]] const ProgramInfo& info() const { return program_->info(); }
    [[nodiscard]] const Graph& graph() const { return *graph_; }
    // Which network it is, weights included: 32 digits, the same however it is computed.
    [[nodiscard]] std::string graph_hash() const;
    // Programs to fall back on, most alike first: this backend in fp32 (level 0, null when that is what program() is),
    // then the reference backend (level 1). Compiled when first asked for.
    Result<const Program*> fallback(int level);
    // An engine that runs this one's network in fp32, for pictures that ask for more than automatic precision was
    // measured for; null when this one does so already, or when its precision was asked for by name. Compiled when
    // first asked for.
    Result<std::shared_ptr<NetworkEngine>> exact();

private:
    std::shared_ptr<const Graph> graph_;
    const Backend& backend_;
    CompileOptions options_;
    std::shared_ptr<const Program> program_;
    std::mutex mutex_;
    std::shared_ptr<const Program> exact_;
    std::shared_ptr<NetworkEngine> exact_engine_;
    std::unique_ptr<Program> reference_;
};

struct TileCounts {
    std::int64_t tiles = 0, recomputed = 0;
    double seconds = 0;
};

// The part of a padded picture that is at hand: full width, rows top ... top + view.size.height - 1.
struct Band {
    ImageView view;  // with the program's number of channels
    int top = 0;
    Size picture;    // padded
    Size real;       // without its continuation; 0 x 0: as `picture`
};

class TileRunner {
public:
    // `halo` may be smaller than what the program states (deep networks; see plan/).
    TileRunner(NetworkEngine& engine, int halo, bool tta);

    // Computes the pixels of `core` (picture coordinates) into `out` of core.size() * scale; planar f32 when averaging,
    // else any format the program writes. The band holds the rows of tile_input(core).
    Result<void> run(const Band& band, const Rect& core, const MutableImageView& out,
                     const std::function<bool(double)>& progress);

    // What the network may take for a tile, as in TileJob.
    void limit_memory(std::int64_t bytes) { memory_bytes_ = bytes; }
    [[nodiscard]] const TileRules& rules() const { return rules_; }
    [[nodiscard]] const TileCounts& counts() const { return counts_; }
    void reset_counts() { counts_ = {}; }
    // What run() takes beyond the session itself for a tile of this size.
    [[nodiscard]] std::int64_t extra_bytes(Size tile, int sample_bytes) const;

private:
    Result<void> attempt(const Band& band, const Rect& core, const MutableImageView& out,
                         const std::function<bool(double)>& progress);
    Result<void> average(const ImageView& in, const Rect& core, const MutableImageView& out,
                         const std::function<bool(double)>& progress);
    Result<void> single(const ImageView& in, const Rect& core, const MutableImageView& out,
                        const std::function<bool(double)>& progress);
    Result<TileReport> run_session(Session& session, const ImageView& in, const Rect& core, const MutableImageView& out,
                                   const std::function<bool(double)>& progress);
    Result<void> recompute(const ImageView& in, const Rect& core, const MutableImageView& out);
    void release();

    NetworkEngine& engine_;
    TileRules rules_;
    bool tta_;
    std::int64_t memory_bytes_ = 0;
    std::unique_ptr<Session> session_;
    AlignedBuffer<std::byte> turned_in_, turned_out_, blocks_out_;
    TileCounts counts_;
    Size continued_{0, 0};  // of the tile in work, as in TileJob
};

}  // namespace enlarge
