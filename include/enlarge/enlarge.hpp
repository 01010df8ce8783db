// SPDX-License-Identifier: Apache-2.0
// enlarge: pictures larger and cleaner with Real-ESRGAN-family networks. The C++ interface.
//
//     auto model = enlarge::Model::open("swift-x4");
//     auto upscaler = enlarge::Upscaler::create(*model);
//     auto big = upscaler->upscale(small.view());
//
// Nothing here prints, exits or throws on bad input: failures are Result errors. Only when there is no memory does
// std::bad_alloc reach the caller. Picture files are in picture.hpp, video files in media.hpp; engine.hpp is for programs
// of many threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "enlarge/device.hpp"
#include "enlarge/image.hpp"
#include "enlarge/limits.hpp"
#include "enlarge/log.hpp"
#include "enlarge/result.hpp"

namespace enlarge {

// "0.1.0"
const char* version();

// One thing to know about a network: {"features", "64"}.
struct ModelFact {
    std::string key, value;
    friend bool operator==(const ModelFact&, const ModelFact&) = default;
};

struct ModelInfo {
    std::string name;          // "swift-x4", or the file's name without folder
    std::string path;          // empty for built-in models
    std::string family;        // "Compact", "RRDB", "SPAN"; "ONNX graph", "ncnn graph": a file's own graph, as it is
    std::string variant;       // key style or form, for people
    int scale = 1;
    int channels = 3;
    std::int64_t parameters = 0;
    double macs_per_pixel = 0;  // multiplications per input pixel
    int size_multiple = 1;      // pictures whose sides are no multiples of it are continued at the right and at the bottom
    int receptive_radius = 0;   // input pixels around a pixel that can change it; -1: the whole picture
    bool tiles_exact = true;    // in tiles the result has the bits of the picture in one piece, whatever their size
    std::string licence;        // empty if not known
    // All of this but the names, and the sizes and kinds of parts that the family has (features, blocks, window, heads,
    // ...), in the order to show it. Which keys there are depends on the family.
    std::vector<ModelFact> facts;

    // The value of a fact; empty where there is none of that key.
    [[nodiscard]] std::string fact(const std::string& key) const {
        for (const ModelFact& one : facts)
            if (one.key == key) return one.value;
        return {};
    }
};

// A network, read and checked. Immutable; copies are cheap and share the weights; any thread may use it.
class Model {
public:
    // `name` is a path, the name of a built-in model, or of a public model that is stored here (models.hpp). A name that
    // is known but not stored fails with Errc::not_found and says how to get it. Files beyond the limits: Errc::limit.
    static Result<Model> open(const std::string& name, const Limits& limits = {});
    // A weight file in memory: .pth, .safetensors or .onnx. Models are read each time; keep the Model.
    static Result<Model> read(std::span<const std::byte> bytes, const std::string& name = "model",
                              const Limits& limits = {});
    // (1 - share) * this + share * other, tensor by tensor; both must be of the same family and sizes, in whatever format.
    [[nodiscard]] Result<Model> blend(const Model& other, float share) const;

    [[nodiscard]] const ModelInfo& info() const;

    struct State;  // internal
    [[nodiscard]] const std::shared_ptr<const State>& state() const { return state_; }

private:
    explicit Model(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

// The names of the models that are compiled in, sorted. Model::open takes them.
std::vector<std::string> builtin_models();

// The built-in model to use when none is named, by what is enlarged and by how much: a finer one for pictures, a faster one
// for video, and up to twice the size the one that was trained for that. It never depends on what is stored here.
enum class Use { pictures, video };
std::string default_model(Use use, double factor = 4);

// The network that removes less noise than `model` and was trained so that both can be blended: of fine-x4 fine-wdn-x4, of
// fine-x2 fine-wdn-x2, of realesr-general-x4v3 realesr-general-wdn-x4v3; for a path the path of the partner's file. A
// picture with a denoising of d comes from model.blend(partner, 1 - d). Fails with Errc::argument when there is none.
Result<std::string> denoise_partner(const std::string& model);

// What default_model() gives for a picture that is enlarged by 4.
inline constexpr const char* kDefaultModel = "fine-x4";

// How large the output shall be. Leave all zero for the model's own scale. At most one of: scale; width and/or height.
struct OutputSize {
    double scale = 0;                // 1.5, 2, 8 ...; output side = round(input side * scale)
    int width = 0, height = 0;       // one given: the other follows the picture's shape
    bool fit = true;                 // both given: fit inside, keeping the shape; false: exactly this, stretched
};
// The output size in pixels for a picture. Fails with Errc::argument when it makes no sense (both kinds given, <= 0).
Result<Size> resolve(const OutputSize& wanted, Size input, int model_scale);

// What a part of the input becomes in an output of size `out`, as upscale_part() takes it: at least a pixel; what lies
// beyond the input is left out. Fails with Errc::argument when all of it does.
Result<Rect> part_of_output(Rect part, Size in, Size out);

// How transparency is enlarged: by the network like a grey picture, or by a Lanczos filter (faster, softer edges).
enum class AlphaMode { network, lanczos };

struct EngineOptions {
    // "auto", "cpu", "cuda" (all GPUs: they take alternate frames of a video), "cuda:1", "vulkan" (the best device),
    // "vulkan:1", "reference". "auto" is the first of these that can run the network; that a GPU cannot is logged.
    std::string device = "auto";
    Precision precision = Precision::automatic;
    int threads = 0;                 // 0 = all usable cores
    std::int64_t memory_bytes = 0;   // limit on working memory, besides the network's weights; 0 = half of what is free
    int tile = 0;                    // largest core side in input pixels; 0 = from the memory limit
    bool tta = false;                // average over the 8 symmetries: slower by 8, slightly better
    AlphaMode alpha = AlphaMode::network;
    // 0..1: how much of the network's picture is in the result. The rest is the plain enlargement (Lanczos), mixed in
    // float before anything is rounded; 0 is the plain enlargement alone, and no network runs.
    double strength = 1;
    // Where automatic precision keeps what it measured about a network, so that it measures only once; made when it is
    // not there, and of no other use: what cannot be read or written is measured again. Empty: kept nowhere. See
    // cache_folder().
    std::string cache_folder;
    // What calls may ask for (limits.hpp); memory_bytes there and above: the smaller one holds.
    Limits limits;
    // Where lines about this engine and the work of its sessions go, one call at a time, from whatever thread does the
    // work. Empty: to the process's sink (log.hpp).
    LogSink log;
};

// The usual place: $ENLARGE_CACHE, else $XDG_CACHE_HOME/enlarge, else ~/.cache/enlarge. Empty when ENLARGE_CACHE is set and
// empty, or nothing is set.
std::string cache_folder();

// What happened while a picture was enlarged.
struct UpscaleReport {
    Size output;
    int passes = 1;                  // how often the network ran over the picture
    std::int64_t tiles = 0;
    std::int64_t recomputed_tiles = 0;  // tiles that overflowed and were computed again in full precision
    double seconds = 0;              // in the network
};

// Called with 0..1 as work proceeds; return false to stop with Errc::cancelled. Called on the caller's thread.
using Progress = std::function<bool(double fraction)>;

// A model compiled for a device. Moves, does not copy. One call at a time per Upscaler; several Upscalers may run side
// by side and share one pool of threads.
class Upscaler {
public:
    static Result<Upscaler> create(const Model& model, const EngineOptions& options = {});
    Upscaler(Upscaler&&) noexcept;
    Upscaler& operator=(Upscaler&&) noexcept;
    ~Upscaler();

    // Enlarges a whole picture in memory: grey, grey + alpha, RGB or RGBA in, the same format out.
    // Grey runs as three equal channels and comes back as luma (BT.601 weights); so does a picture that is stored as
    // RGB and has no colour (red, green and blue equal in every visible pixel, of 8 bits to one step): it comes back
    // without. Alpha goes through the network too. A network for RGBA gets the four channels as they are and gives four;
    // pictures without alpha are opaque to it.
    Result<Image> upscale(const ImageView& in, const OutputSize& size = {}, const Progress& progress = {});
    // The same into memory of the caller's; out.size decides the output size. Buffers are kept: from the second picture of
    // the same size and format on, nothing is allocated.
    Result<UpscaleReport> upscale(const ImageView& in, const MutableImageView& out, const Progress& progress = {});
    // A picture of any size in bounded memory: rows are read and written from top to bottom. `out_format` may differ
    // from the source's in sample type only.
    Result<UpscaleReport> upscale(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format,
                                  const Progress& progress = {});
    // A look before hours of work: only `part` of that result goes to `out`, and little more than it is computed. They are
    // the pixels that the whole result has there: bit for bit with Compact and SPAN networks; deeper ones see farther than
    // their tiles overlap (docs/numerics.md). Rows below `part` are not read.
    Result<UpscaleReport> upscale_part(RowSource& in, RowSink& out, Size out_size, PixelFormat out_format, const Rect& part,
                                       const Progress& progress = {});

    [[nodiscard]] const ModelInfo& model() const;
    // Device, precision, limits (engine.hpp).
    [[nodiscard]] const struct EngineInfo& info() const;
    // "cpu avx2, fp32 Winograd F(6x6,3x3)", for people.
    [[nodiscard]] std::string description() const;
    [[nodiscard]] std::string path() const { return description(); }  // its former name

    struct State;  // internal
    [[nodiscard]] State& state() const { return *state_; }

private:
    explicit Upscaler(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace enlarge
