// SPDX-License-Identifier: Apache-2.0
// A picture from the first row to the last: colour and alpha, as many runs of the network as the size asks for, the
// final resampling, rounding. What the public Upscaler is made of.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.hpp"
#include "base/result.hpp"
#include "enlarge/enlarge.hpp"
#include "run/tile_runner.hpp"

namespace enlarge {

struct EnlargerOptions {
    std::int64_t memory_bytes = 0;  // as in EngineOptions
    int tile = 0;
    bool tta = false;
    ThreadPool* pool = nullptr;
    AlphaMode alpha = AlphaMode::network;
    double strength = 1;            // as in EngineOptions
};

// What samples of more than 8 bits ask of automatic precision, which is measured with 8: fp32 for pictures; nothing
// more for frames of video, which are floats on the way and have bits of their own.
enum class InputKind { picture, frame };

// How often a network of `scale` runs to get from `in` to `out`: the fewest runs that reach the larger of the two
// factors; up to a tenth is left to the resampling filter, and what else would be computed to be thrown away where a
// picture is stretched. 1 for networks that do not enlarge.
int passes_for(int scale, Size in, Size out);

class Enlarger {
public:
    Enlarger(std::shared_ptr<NetworkEngine> engine, const EnlargerOptions& options);
    ~Enlarger();
    Enlarger(const Enlarger&) = delete;
    Enlarger& operator=(const Enlarger&) = delete;

    // As Upscaler::upscale. Buffers are kept for the next picture of the same size and format.
    Result<UpscaleReport> run(const ImageView& in, const MutableImageView& out, const Progress& progress,
                              InputKind kind = InputKind::picture);
    Result<UpscaleReport> run(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                              const Progress& progress);
    // As Upscaler::upscale_part.
    Result<UpscaleReport> run_part(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format, const Rect& part,
                                   const Progress& progress);

    // Bytes that run() takes for a picture in memory, from above, and keeps for the next one like it: rows, tiles, the
    // network's scratch. Errc::memory when it cannot be done within the limit. For samples of more than 8 bits the
    // network is compiled in fp32, where that has not happened.
    Result<std::int64_t> memory_for(Size in, const PixelFormat& format, Size out);

    [[nodiscard]] const NetworkEngine& engine() const { return *engine_; }
    [[nodiscard]] NetworkEngine& engine() { return *engine_; }
    [[nodiscard]] std::shared_ptr<NetworkEngine> shared_engine() const { return engine_; }
    [[nodiscard]] const EnlargerOptions& options() const { return options_; }

private:
    struct Chain;
    // The engine for pictures of this kind: in fp32 where automatic precision was measured for less.
    Result<std::shared_ptr<NetworkEngine>> engine_for(const PixelFormat& format, InputKind kind);
    // What the network's pass number `pass` gets to know. `last`: nothing comes after it. `from`: of its rows.
    struct Pass {
        int number = 0, passes = 1;
        bool last = true, in_memory = true;
        const Rect* wanted = nullptr;  // of its input; null: all
        PixelFormat from, in, out;
    };
    [[nodiscard]] struct StageOptions options_of(const Pass& pass) const;
    // What build() makes a chain for.
    struct Wanted {
        Size size;                          // of the output
        PixelFormat format;
        bool in_memory = true;
        InputKind kind = InputKind::picture;
        bool grey = false;                  // the input has no colour though its format has
        const Rect* part = nullptr;         // null: all
    };
    Result<std::unique_ptr<Chain>> build(std::unique_ptr<class RowStage> first, const Wanted& wanted);
    // The same in colour where there is no memory for `grey`. `first` makes the first stage.
    template <class First>
    Result<std::unique_ptr<Chain>> build_either(const First& first, Wanted wanted);
    Result<std::unique_ptr<Chain>> build(RowSource& in, Size size, const PixelFormat& format, const Rect* part);
    // Whether pictures without colour are enlarged as grey ones.
    [[nodiscard]] bool may_be_grey() const;
    Result<std::int64_t> memory_of(Size in, const PixelFormat& format, Size out, bool first_in_memory);
    // Up to row `end` of the output.
    Result<UpscaleReport> drive(Chain& chain, RowSink* sink, const MutableImageView* target, int end, const Progress& progress);

    std::shared_ptr<NetworkEngine> engine_;
    EnlargerOptions options_;
    std::unique_ptr<Chain> kept_;  // for pictures in memory
};

}  // namespace enlarge
